package bench

// crowded draws clusters that are not in the suite, since many of them have no
// viable placement:
//
//   - over: VMs ask for more than there is.
//   - brink: the law "thesis", and 98.5 % or more of the CPU are asked for.
//   - pieces: VMs of 2 and 4 virtual CPUs, so that there may be room enough
//     and none of it in one piece.
//
// In all of them a node is overloaded.
func (d *drawing) crowded() {
	for {
		switch d.Tier {
		case "over":
			d.equal(law{10, 73, 10, []choice[int]{{1024, 1}}, 20})
		case "brink":
			d.equal(law{10, 70, 10, []choice[int]{{1024, 1}}, 20})
		case "pieces":
			d.large(0.9)
			d.drift()
		default:
			panic("bench: there is no tier " + d.Tier)
		}
		asked, offered := d.cpu()
		low, high := offered*985, offered*1000 // in thousandths
		switch d.Tier {
		case "over":
			low, high = offered*1000+1, offered*2000
		case "pieces":
			low = 0
		}
		if d.isOverloaded() && low <= asked*1000 && asked*1000 <= high {
			break
		}
	}
	d.constrain(20)
}

// large draws nodes of 8 cores, and fills them with VMs of 2 and 4 virtual CPUs to
// a share of their CPU.
func (d *drawing) large(fill float64) {
	d.Nodes, d.VMs = d.Nodes[:0], d.VMs[:0]
	for n := range d.Spec.Nodes {
		d.Nodes = append(d.Nodes, Node{800 - reserved, 32768})
		for cpu := 0; ; {
			vcpus := weighted(d.random, []choice[int]{{2, 1}, {4, 1}})
			vm := VM{d.load(80, 20, 5, vcpus), 1024 * vcpus, running, n}
			if cpu += vm.CPU; float64(cpu) > float64(fill*(800-reserved)) {
				break
			}
			d.VMs = append(d.VMs, vm)
		}
	}
}
