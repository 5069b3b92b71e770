#!/bin/busybox sh
# The first program of the machines of test.sh: runs the tests of /tests, writes what they print to the device for
# results, and powers off. Lines that start with @@ are for internal/cmd/kerneltest.
PATH=/bin
/bin/busybox --install -s /bin
mount -t devtmpfs none /dev 2>/dev/null
mount -t proc none /proc
mount -t sysfs none /sys
mkdir -p /dev/shm /dev/pts
mount -t devpts none /dev/pts
mount -t tmpfs none /dev/shm
. /settings
exec >"$console" 2>&1
while read -r module; do insmod /modules/$module.ko || echo "no module $module"; done </modules/order
[ -e "$results" ] || echo "no device for results"
stty -F "$results" raw -echo 2>/dev/null
exec 3>"$results"
mount -t ext4 /dev/vda /tmp || mount -t tmpfs none /tmp
chmod 1777 /tmp
ip link set lo up
ulimit -n 65536
export HOME=/tmp
# Go's scheduler sends signals where something takes long, as everything does here, and Linux 6.1 cancels requests because of
# them: see TestSignalsWhileAWorkerStarts.
export GODEBUG=asyncpreemptoff=1
# These need a compiler or a shell, or read documents, one of which this run writes.
without='StubHasTheHeadersConstants|ConstantsAreThoseOfLiburing215|PinFile|LinksInDocsLeadSomewhere|NamedTestsExist'
without="$without|.*AgreeWithKernelsThatWereRun"
# No kernel takes part in these either, but another processor may order memory, or lay it out, differently.
[ "$(uname -m)" != x86_64 ] || without="$without|PrepWritesWhatLiburingWrites|ParseFindsWhatLiburingFinds|RefillIsLiburings\
|RefillRingWithAKernelAtWork|DirectCallsAskWhatLiburingAsks|.*AgreesWithAModelOfTheKernel|ImportsPointOneWay|OverviewLinksToTheAPI"
no_kernel="^Test($without)\$|^FuzzPinFile\$"
[ "$(uname -m)" != x86_64 ] || no_kernel="$no_kernel|^Fuzz"
printf '@@ kernel %s\n' "$(uname -rv)" >&3
printf '@@ start probe\n' >&3
/bin/uring probe -json >&3
printf '@@ end probe %s\n' $? >&3
while read -r name dir; do
	cd "/src/$dir"
	printf '@@ start %s\n' "$name" >&3
	/bin/$name.test -test.short -test.v=test2json -test.timeout $limit -test.run "$run" -test.skip "$no_kernel" >&3 2>&1
	printf '\n@@ end %s %s\n' "$name" $? >&3
done </tests
printf '@@ done\n' >&3
dmesg | grep -E 'WARNING|BUG|Oops|general protection|rcu_.*stall' | sed 's/^/@@ kernel said /' >&3
sync
poweroff -f
