// Processes that exchange messages, on SimGrid: the peer of `dvms bench
// simulation --messages`.
//
//   messages PROCESSES [--rounds N]
//
// Processes in pairs, each pair on two hosts of a star; the two send each other
// an empty message in turn. Prints one line of JSON; a message is one put and its
// get.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <simgrid/s4u.hpp>
#include <string>
#include <vector>

namespace s4u = simgrid::s4u;

namespace {

double cpu_seconds()
{
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

void pass(int rounds, s4u::Mailbox* mine, s4u::Mailbox* theirs, bool first)
{
  static int token = 0;
  for (int i = 0; i < rounds; i++) {
    if (first)
      theirs->put(&token, 0);
    mine->get<int>();
    if (not first)
      theirs->put(&token, 0);
  }
}

int usage()
{
  fprintf(stderr, "usage: messages PROCESSES [--rounds N]\n");
  return 2;
}

} // namespace

int main(int argc, char** argv)
{
  int processes = argc > 1 ? atoi(argv[1]) : 0;
  int rounds = 1000;
  for (int i = 2; i < argc; i++) {
    if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
      rounds = atoi(argv[++i]);
    else
      return usage();
  }
  if (processes < 2 || processes % 2 != 0 || rounds < 1)
    return usage();
  int none = 1;
  char* name[] = {argv[0], nullptr};
  s4u::Engine engine(&none, name);
  s4u::Engine::set_config("contexts/stack-size:16");
  s4u::Engine::set_config("contexts/guard-size:0");
  auto* zone = s4u::create_star_zone("star");
  std::vector<s4u::Host*> host;
  for (int h = 0; h < processes; h++) {
    host.push_back(zone->create_host("h" + std::to_string(h), 1e9)->seal());
    auto* link = zone->create_split_duplex_link("l" + std::to_string(h), 125e6)->set_latency(50e-6)->seal();
    zone->add_route(host[h]->get_netpoint(), nullptr, nullptr, nullptr, {{link, s4u::LinkInRoute::Direction::UP}}, true);
  }
  zone->seal();
  for (int p = 0; p < processes; p++) {
    auto* mine = s4u::Mailbox::by_name("m" + std::to_string(p));
    auto* theirs = s4u::Mailbox::by_name("m" + std::to_string(p ^ 1));
    s4u::Actor::create("p", host[p], pass, rounds, mine, theirs, p % 2 == 0);
  }
  double begin = cpu_seconds();
  engine.run();
  double took = cpu_seconds() - begin;
  double messages = static_cast<double>(processes) * rounds;
  printf("{\"processes\": %d, \"messages\": %.0f, \"cpu_seconds\": %.3f, \"messages_per_second\": %.0f}\n", processes, messages, took,
         messages / took);
}
