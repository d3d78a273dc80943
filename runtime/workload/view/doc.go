// Package view says what workloads are in the words of the interfaces of the
// platform: Tutum applications, Apcera jobs, CxEngage services and Syncano
// scripts are one model underneath, and each interface shows all of it.
//
// Everything here is a pure function of rows and, where it matters, a time. A
// view never fails: of a workload that was made elsewhere it says what comes
// nearest.
//
// # What there is for each interface
//
//   - a preset: the Spec that its workloads begin with, and what its words for
//     recovery mean;
//   - the state of an instance and of the whole, of which each word of the
//     contract can be reached;
//   - legality, as conditions that the workload service judges inside the
//     transaction of the operation;
//   - a lens: Get reads the fields of the contract, Put changes them.
//
// # Lenses
//
// Put compares with what Get says. A field that is sent as it is shown is no
// change, so that an object that is read and sent back writes nothing,
// whoever made the workload and whatever its rows hold that the interface cannot
// say. A field that differs is changed, unless afterwards the interface in
// which the workload was made could not show it exactly: then the change is
// refused, with a text that names the field and what governs it there.
//
// Rows are constants: nothing here changes what it is given.
package view
