#!/bin/sh
# gather.sh HOST... > snapshot.txt
#
# Asks libvirt hosts over ssh what they have and what their VMs have used, twice, 10
# seconds apart; dvms plan snapshot.txt reads the answer. Nothing is changed.
# Hosts are named as ssh knows them. What a host keeps for itself is said here:
printf '%s\n' '== gather 1' 'reserve cpu: 1 core' 'reserve memory: 2GiB'
for sample in 1 2; do
	for host; do
		echo "== host $host"
		ssh "$host" LC_ALL=C sh <<-'END'
			virsh -c qemu:///system nodeinfo
			date +'time: %s%N'
			virsh -c qemu:///system domstats --state --cpu-total --balloon --vcpu
		END
	done
	[ "$sample" = 2 ] || sleep 10
done
