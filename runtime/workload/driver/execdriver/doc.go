// Package execdriver runs workloads that are processes of the operating system.
//
// An instance is a process group of its own. Its environment is exactly the
// one of its Run, its working directory is its private directory, and there is
// no shell unless the spec asks for a command line. A command without a slash
// is looked up in the PATH of the instance, not in the platform's. There is no
// chroot and no namespace: the driver runs what its owner trusts. Descriptors
// that the platform was itself started with, and left without close-on-exec,
// reach its instances; none that Go opened does.
//
// # The end
//
// An instance ends when its first process does. Whatever else is in its group
// is killed then, before Done closes: the group's number stays taken while the
// first process has not been waited for, so the signal can hit nobody else.
// Stop sends SIGTERM to the whole group, or runs the stop command of the spec
// inside the group; Kill sends SIGKILL. A process that left the group, as
// daemons do, is out of reach.
//
// # When the platform dies
//
// Three nets catch the processes of a platform that was killed. Each first
// process gets SIGKILL from the kernel when its parent dies; to that end all
// are started from one locked thread. A guard, a small shell in a session of
// its own, kills the groups that remain as soon as its pipe from the platform
// breaks. And beside each directory lies a file that names the process, its
// start time and the boot of the machine, from which Sweep finds what even the
// guard missed. The second and the third are there once an instance has lived
// ten milliseconds.
//
// The thread and the guard exist while instances do, and a second longer.
//
// # Limits
//
// Limits on single processes are set before their first instruction. Memory
// and directory of a whole instance are watched, about once a second; an
// instance over its limit is killed, and its exit says why. Processor shares
// and network rates are not enforced.
//
// The driver works on Linux. Elsewhere New returns an Unavailable error.
package execdriver
