// VMs whose load changes, on SimGrid: the peer of `dvms bench simulation`.
//
//   load HOSTS [--migrate] [--seed N] [--until SECONDS]
//
// HOSTS hosts of 8 cores with 10 VMs of one vCPU each. The load of each VM
// changes at exponential intervals (mean 300 s) to a Gaussian value (60 %, 20 %)
// in steps of 10 %. A load is a cap on the VM, which computes for ever: of all
// ways to say this to SimGrid, the quickest. With --migrate, a host that is
// asked for more than 7 cores sends its VM of highest load to a random host, one
// at a time.
//
// Prints one line of JSON. The work delivered, in core-seconds, is to be
// compared with that of `dvms bench simulation`.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <simgrid/plugins/live_migration.h>
#include <simgrid/s4u.hpp>
#include <simgrid/s4u/VirtualMachine.hpp>
#include <string>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

namespace s4u = simgrid::s4u;

namespace {

constexpr int vms_per_host = 10;
constexpr double core = 1e9;    // flop/s
constexpr double endless = 1e14; // flop
constexpr unsigned long memory = 1024UL << 20;

// SplitMix64, of Steele, Lea and Flood, 2014.
class Random {
  uint64_t state_;

public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next()
  {
    state_ += 0x9E3779B97F4A7C15ULL;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }
  double unit() { return static_cast<double>(next() >> 11) / 9007199254740992.0; }
  double interval() { return -300.0 * std::log(1.0 - unit()); }
  int load()
  {
    double u = 1.0 - unit();
    double wide = 20.0 * std::sqrt(-2.0 * std::log(u));
    double g = 60.0 + wide * std::cos(2.0 * M_PI * unit());
    return std::clamp(static_cast<int>(std::floor(g / 10.0 + 0.5)) * 10, 0, 100);
  }
};

struct Change {
  double at;
  int vm;
  int load; // percent of a core
};

std::vector<Change> changes_of(int vms, double until, uint64_t seed)
{
  std::vector<Change> all;
  for (int vm = 0; vm < vms; vm++) {
    Random random(seed * 1000003ULL + static_cast<uint64_t>(vm));
    for (double at = random.interval(); at < until; at += random.interval())
      all.push_back({at, vm, random.load()});
  }
  std::stable_sort(all.begin(), all.end(), [](const Change& a, const Change& b) { return a.at < b.at; });
  return all;
}

double cpu_seconds()
{
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct World {
  int hosts;
  bool migrate;
  std::vector<s4u::Host*> host;
  std::vector<s4u::VirtualMachine*> vm;
  std::vector<s4u::ExecPtr> exec;
  std::vector<int> where, load;
  std::vector<std::vector<int>> hosted;
  std::vector<int> asked; // by host, in percent of a core
  std::vector<char> leaving, moving;
  Random targets;
  long started = 0, done = 0;

  World(int hosts, bool migrate, uint64_t seed)
      : hosts(hosts), migrate(migrate), where(hosts * vms_per_host), load(hosts * vms_per_host), hosted(hosts),
        asked(hosts), leaving(hosts), moving(hosts * vms_per_host), targets(seed ^ 0xABCDEFULL)
  {
    auto* zone = s4u::create_star_zone("star");
    auto* backbone = zone->create_link("backbone", 1.25e9 * hosts)
                         ->set_sharing_policy(s4u::Link::SharingPolicy::FATPIPE)
                         ->set_latency(0)
                         ->seal();
    for (int h = 0; h < hosts; h++) {
      host.push_back(zone->create_host("h" + std::to_string(h), core)->set_core_count(8)->seal());
      auto* link = zone->create_split_duplex_link("l" + std::to_string(h), 125e6)->set_latency(50e-6)->seal();
      zone->add_route(host[h]->get_netpoint(), nullptr, nullptr, nullptr,
                      {{link, s4u::LinkInRoute::Direction::UP}, s4u::LinkInRoute(backbone)}, true);
    }
    zone->seal();
    for (int v = 0; v < hosts * vms_per_host; v++) {
      where[v] = v / vms_per_host;
      hosted[where[v]].push_back(v);
      auto* machine = host[where[v]]->create_vm("v" + std::to_string(v), 1, memory);
      if (migrate) {
        sg_vm_set_working_set_memory(machine, memory / 10 * 9);
        sg_vm_set_migration_speed(machine, 125e6);
        sg_vm_set_dirty_page_intensity(machine, 0.4);
      }
      machine->start();
      vm.push_back(machine);
    }
  }

  // A cap of 0 means none, so a VM without load gets 1 flop/s.
  void set_load(int v, int percent)
  {
    asked[where[v]] += percent - load[v];
    load[v] = percent;
    vm[v]->set_bound(percent == 0 ? 1.0 : percent / 100.0 * core);
  }

  void relieve(int h)
  {
    if (asked[h] <= 700 || leaving[h])
      return;
    int most = -1;
    for (int v : hosted[h])
      if (not moving[v] && (most < 0 || load[v] > load[most]))
        most = v;
    if (most < 0)
      return;
    int to = static_cast<int>(targets.next() % static_cast<uint64_t>(hosts - 1));
    if (to >= h)
      to++;
    leaving[h] = moving[most] = 1;
    started++;
    s4u::Actor::create("relieve", host[h], [this, h, most, to] {
      sg_vm_migrate(vm[most], host[to]);
      done++;
      hosted[h].erase(std::find(hosted[h].begin(), hosted[h].end(), most));
      hosted[to].push_back(most);
      asked[h] -= load[most];
      asked[to] += load[most];
      where[most] = to;
      leaving[h] = moving[most] = 0;
    })->daemonize();
  }

  void run(const std::vector<Change>& changes, double until)
  {
    for (auto* machine : vm) {
      exec.push_back(s4u::Exec::init()->set_flops_amount(endless)->set_host(machine));
      exec.back()->start();
      machine->set_bound(1.0);
    }
    double begin = cpu_seconds();
    for (const Change& c : changes) {
      s4u::this_actor::sleep_until(c.at);
      set_load(c.vm, c.load);
      if (migrate)
        relieve(where[c.vm]);
    }
    s4u::this_actor::sleep_until(until);
    double took = cpu_seconds() - begin;
    double delivered = 0;
    for (const auto& e : exec)
      delivered += (endless - e->get_remaining()) / core;
    rusage use{};
    getrusage(RUSAGE_SELF, &use);
    printf("{\"hosts\": %d, \"vms\": %zu, \"changes\": %zu, \"migrations\": %ld, \"cpu_seconds\": %.3f, "
           "\"changes_per_second\": %.0f, \"peak_mib\": %.0f, \"delivered_core_seconds\": %.9g}\n",
           hosts, vm.size(), changes.size(), done, took, static_cast<double>(changes.size()) / took,
           static_cast<double>(use.ru_maxrss) / 1024.0, delivered);
    fflush(stdout);
    _exit(0); // its tear-down takes long and is not what is measured
  }
};

int usage()
{
  fprintf(stderr, "usage: load HOSTS [--migrate] [--seed N] [--until SECONDS]\n");
  return 2;
}

} // namespace

int main(int argc, char** argv)
{
  int hosts = argc > 1 ? atoi(argv[1]) : 0;
  bool migrate = false;
  uint64_t seed = 42;
  double until = 1800;
  for (int i = 2; i < argc; i++) {
    if (strcmp(argv[i], "--migrate") == 0)
      migrate = true;
    else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
      seed = strtoull(argv[++i], nullptr, 10);
    else if (strcmp(argv[i], "--until") == 0 && i + 1 < argc)
      until = atof(argv[++i]);
    else
      return usage();
  }
  if (hosts < 2 || until <= 0)
    return usage();
  int none = 1;
  char* name[] = {argv[0], nullptr};
  s4u::Engine engine(&none, name);
  s4u::Engine::set_config("contexts/stack-size:16");
  s4u::Engine::set_config("contexts/guard-size:0");
  if (migrate)
    sg_vm_live_migration_plugin_init();
  World world(hosts, migrate, seed);
  auto changes = changes_of(hosts * vms_per_host, until, seed);
  s4u::Actor::create("injector", world.host[0], [&] { world.run(changes, until); });
  engine.run();
}
