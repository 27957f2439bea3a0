package platform

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/dvms-project/dvms/sim"
)

// networkConfig is what a file says about the network model; nil is nothing.
type networkConfig struct {
	model                               *sim.NetworkModel
	latency, bandwidth, weight, gamma   *float64
	crossTraffic                        *bool
	loopbackBandwidth, loopbackDuration *float64
}

// Settings returns the settings of a simulation with what the platform's file
// says about the network model. All else stays as it is.
func (p *Platform) Settings(s sim.Settings) sim.Settings {
	c, n := p.network, &s.Network
	set(n, c.model)
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

// loopback returns the link of hosts to themselves, or nil if nothing is said
// about it.
func (c networkConfig) loopback() *Link {
	if c.loopbackBandwidth == nil && c.loopbackDuration == nil {
		return nil
	}
	bandwidth, latency := 10e9, 0.0
	set(&bandwidth, c.loopbackBandwidth)
	set(&latency, c.loopbackDuration)
	return &Link{Name: "__loopback__", Bandwidth: sim.Bandwidth(bandwidth), Latency: sim.Seconds(latency), Policy: FatPipe}
}

// options are SimGrid's options that have an effect here, with the names that
// they had before.
var options = map[string]func(c *networkConfig, value string) error{
	"network/model":            (*networkConfig).setModel,
	"network/latency-factor":   func(c *networkConfig, v string) error { return number(&c.latency, v) },
	"network/latency_factor":   func(c *networkConfig, v string) error { return number(&c.latency, v) },
	"network/bandwidth-factor": func(c *networkConfig, v string) error { return number(&c.bandwidth, v) },
	"network/bandwidth_factor": func(c *networkConfig, v string) error { return number(&c.bandwidth, v) },
	"network/weight-S":         func(c *networkConfig, v string) error { return number(&c.weight, v) },
	"network/weight_S":         func(c *networkConfig, v string) error { return number(&c.weight, v) },
	"network/TCP-gamma":        func(c *networkConfig, v string) error { return number(&c.gamma, v) },
	"network/TCP_gamma":        func(c *networkConfig, v string) error { return number(&c.gamma, v) },
	"network/crosstraffic":     func(c *networkConfig, v string) error { return yes(&c.crossTraffic, v) },
	"network/loopback-bw":      func(c *networkConfig, v string) error { return quantity(&c.loopbackBandwidth, bandwidths, v) },
	"network/loopback-lat":     func(c *networkConfig, v string) error { return quantity(&c.loopbackDuration, latencies, v) },
	"host/model":               func(_ *networkConfig, v string) error { return oneOf(v, "default", "compound") },
	"cpu/model":                func(_ *networkConfig, v string) error { return oneOf(v, "default", "Cas01") },
	"disk/model":               func(_ *networkConfig, v string) error { return oneOf(v, "default") },
	"plugin":                   func(_ *networkConfig, v string) error { return oneOf(v, "host_energy", "host_load", "link_load") },
}

// without are options that make no difference here, and why. A name that ends
// with a slash stands for all that begin with it.
var without = map[string]string{
	"bmf/":                            "shares are exact",
	"cmonkey/":                        "it is about SimGrid's tests of faults",
	"contexts/":                       "it is about how SimGrid runs actors",
	"cpu/maxmin-selective-update":     "it changes how SimGrid computes, not what",
	"cpu/optim":                       "it changes how SimGrid computes, not what",
	"cpu/solver":                      "there is one solver",
	"debug/":                          "it is about SimGrid's messages",
	"disk/solver":                     "there is one solver",
	"exception/cutpath":               "it is about SimGrid's messages",
	"host/solver":                     "there is one solver",
	"maxmin/":                         "shares are exact",
	"model-check/":                    "it is about SimGrid's model checker",
	"network/coordinates":             "coordinates are always read",
	"network/maxmin-selective-update": "it changes how SimGrid computes, not what",
	"network/optim":                   "it changes how SimGrid computes, not what",
	"network/solver":                  "there is one solver",
	"path":                            "files are those beside the platform",
	"precision/":                      "dates and shares are exact",
	"smpi/":                           "there is no MPI",
	"surf/precision":                  "dates are exact",
	"tracing":                         "it is about SimGrid's traces",
	"tracing/":                        "it is about SimGrid's traces",
}

// configure reads one option of a file.
func (p *Platform) configure(name, value string, line int) error {
	if read, known := options[name]; known {
		return read(&p.network, value)
	}
	why := without[name]
	if family, _, found := strings.Cut(name, "/"); why == "" && found {
		why = without[family+"/"]
	}
	if why == "" {
		all := maps.Clone(without)
		for option := range options {
			all[option] = ""
		}
		return fmt.Errorf("there is no option %.80q%s", name, meant(name, all))
	}
	p.note(line, "option %.80s has no effect: %s", name, why)
	return nil
}

func (c *networkConfig) setModel(value string) error {
	for _, m := range []sim.NetworkModel{sim.LV08, sim.CM02, sim.VMPlaceS} {
		if value == m.Name || value == "default" {
			c.model = &m
			return nil
		}
	}
	return fmt.Errorf("network model %.80q is not supported; LV08, CM02 and VMPlaceS are", value)
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
		return fmt.Errorf("%.80q is not supported; what is: %s", text, strings.Join(known, ", "))
	}
	return nil
}
