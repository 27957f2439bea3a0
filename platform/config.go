package platform

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dvms-project/dvms/internal/spell"
	"github.com/dvms-project/dvms/sim"
)

// networkConfig is what a file says about the network model; nil is nothing.
type networkConfig struct {
	model                         *sim.NetworkModel
	latency, bandwidth, weight    *float64
	gamma                         *float64
	crossTraffic                  *bool
	loopbackBandwidth, loopbackAt *float64
}

// Settings returns the settings of a simulation with what the platform's file
// says about the network model. All else stays as it is.
func (p *Platform) Settings(s sim.Settings) sim.Settings {
	c, n := p.network, &s.Network
	if c.model != nil {
		*n = *c.model
	}
	set(&n.LatencyFactor, c.latency)
	set(&n.BandwidthFactor, c.bandwidth)
	set(&n.WeightS, c.weight)
	set(&n.Gamma, c.gamma)
	set(&n.CrossTraffic, c.crossTraffic)
	return s
}

func set[T any](into, value *T) {
	if value != nil {
		*into = *value
	}
}

// without are SimGrid's options that have no effect on what is simulated here,
// and why.
var without = map[string]string{
	"network/coordinates":              "coordinates are always read",
	"network/optim":                    "it changes how SimGrid computes, not what",
	"network/maxmin-selective-update":  "it changes how SimGrid computes, not what",
	"network/solver":                   "there is one solver",
	"cpu/optim":                        "it changes how SimGrid computes, not what",
	"cpu/maxmin-selective-update":      "it changes how SimGrid computes, not what",
	"cpu/solver":                       "there is one solver",
	"host/solver":                      "there is one solver",
	"disk/solver":                      "there is one solver",
	"maxmin/precision":                 "shares are exact",
	"precision/work-amount":            "shares are exact",
	"surf/precision":                   "dates are exact",
	"precision/timing":                 "dates are exact",
	"maxmin/concurrency-limit":         "there is no limit",
	"maxmin/concurrency_limit":         "there is no limit",
	"bmf/precision":                    "shares are exact",
	"bmf/max-iterations":               "shares are exact",
	"path":                             "files are found beside the platform",
	"help-nostop":                      "it is about SimGrid's command line",
	"exception/cutpath":                "it is about SimGrid's messages",
	"viva/uncategorized":               "it is about SimGrid's traces",
	"viva/categorized":                 "it is about SimGrid's traces",
	"triva/uncategorized":              "it is about SimGrid's traces",
	"triva/categorized":                "it is about SimGrid's traces",
	"tracing":                          "it is about SimGrid's traces",
	"verbose-exit":                     "it is about SimGrid's messages",
	"clean-atexit":                     "it is about how SimGrid ends",
	"model-check":                      "it is about SimGrid's model checker",
	"surf/nthreads":                    "it changes how SimGrid computes, not what",
	"contexts/parallel-threshold":      "it changes how SimGrid computes, not what",
	"contexts/parallel_threshold":      "it changes how SimGrid computes, not what",
	"storage/max_file_descriptors":     "there are no files",
	"storage/max-file-descriptors":     "there are no files",
	"network/sender_gap":               "it is about SimGrid's IB model",
	"smpi/simulate_computation":        "there is no MPI",
	"smpi/running_power":               "there is no MPI",
	"smpi/display_timing":              "there is no MPI",
	"smpi/send_is_detached_thres":      "there is no MPI",
	"smpi/async_small_thres":           "there is no MPI",
	"workstation/model":                "there is one model",
	"Vivaldi_coordinates":              "coordinates are always read",
}

// families are beginnings of such options.
var families = map[string]string{
	"contexts/":    "there are no stacks to set up",
	"tracing/":     "it is about SimGrid's traces",
	"debug/":       "it is about SimGrid's messages",
	"model-check/": "it is about SimGrid's model checker",
	"smpi/":        "there is no MPI",
	"cmonkey/":     "it is about SimGrid's tests of faults",
	"plugin/dvfs/": "there are no governors",
	"ns3/":         "there is no ns-3",
}

// options are those that have an effect.
var options = map[string]func(c *networkConfig, value string) error{
	"network/model":            (*networkConfig).setModel,
	"network/latency-factor":   func(c *networkConfig, v string) error { return number(&c.latency, v) },
	"network/bandwidth-factor": func(c *networkConfig, v string) error { return number(&c.bandwidth, v) },
	"network/weight-S":         func(c *networkConfig, v string) error { return number(&c.weight, v) },
	"network/TCP-gamma":        func(c *networkConfig, v string) error { return number(&c.gamma, v) },
	"network/crosstraffic":     func(c *networkConfig, v string) error { return yes(&c.crossTraffic, v) },
	"network/loopback-bw":      func(c *networkConfig, v string) error { return quantity(&c.loopbackBandwidth, bandwidths, v) },
	"network/loopback-lat":     func(c *networkConfig, v string) error { return quantity(&c.loopbackAt, latencies, v) },
	"host/model":               func(_ *networkConfig, v string) error { return oneOf(v, "default", "compound") },
	"cpu/model":                func(_ *networkConfig, v string) error { return oneOf(v, "default", "Cas01") },
	"disk/model":               func(_ *networkConfig, v string) error { return oneOf(v, "default") },
	"plugin":                   func(_ *networkConfig, v string) error { return oneOf(v, "host_energy", "host_load", "link_load") },
}

// older are names that options had before.
var older = map[string]string{
	"network/latency_factor": "network/latency-factor", "network/bandwidth_factor": "network/bandwidth-factor",
	"network/weight_S": "network/weight-S", "network/TCP_gamma": "network/TCP-gamma",
}

// configure reads one option of a file.
func (p *Platform) configure(name, value string, line int) error {
	if now, old := older[name]; old {
		name = now
	}
	if read, known := options[name]; known {
		return read(&p.network, value)
	}
	why := without[name]
	for _, beginning := range []string{"contexts/", "tracing/", "debug/", "model-check/", "smpi/", "cmonkey/", "plugin/dvfs/", "ns3/"} {
		if strings.HasPrefix(name, beginning) {
			why = families[beginning]
		}
	}
	if why == "" {
		return fmt.Errorf("there is no option %q%s", name, meantOption(name))
	}
	p.note(line, "option %s has no effect: %s", name, why)
	return nil
}

func meantOption(name string) string {
	var all []string
	for _, known := range []map[string]string{without, older} {
		for option := range known {
			all = append(all, option)
		}
	}
	for option := range options {
		all = append(all, option)
	}
	slices.Sort(all)
	if near := spell.Nearest(name, all); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

func (c *networkConfig) setModel(value string) error {
	for _, m := range []sim.NetworkModel{sim.LV08, sim.CM02} {
		if value == m.Name || value == "default" {
			c.model = &m
			return nil
		}
	}
	return fmt.Errorf("network model %q is not supported; LV08 and CM02 are", value)
}

func number(into **float64, text string) error {
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || !finite(value) {
		return fmt.Errorf("%.80q is not a number; factors that depend on the size of a message are not supported", text)
	}
	*into = &value
	return nil
}

func quantity(into **float64, s scale, text string) error {
	value, err := s.parse(text, true)
	*into = &value
	return err
}

func yes(into **bool, text string) error {
	on := slices.Contains([]string{"yes", "1", "true", "on"}, strings.ToLower(text))
	if !on && !slices.Contains([]string{"no", "0", "false", "off"}, strings.ToLower(text)) {
		return fmt.Errorf("%.80q is neither yes nor no", text)
	}
	*into = &on
	return nil
}

func oneOf(text string, known ...string) error {
	if !slices.Contains(known, text) {
		return fmt.Errorf("%q is not supported; what is: %s", text, strings.Join(known, ", "))
	}
	return nil
}
