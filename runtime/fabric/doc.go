// Package fabric connects workloads with what they run and with one another:
// images, links, the variables that come of links and ports, and the tokens by
// which instances act for their owner.
//
// # Images
//
// A caller names an image; what that is, a function or a program, only the
// embedding program says (Images). A Reference without a tag means "latest", and
// an image that is registered without one is all tags. An image is resolved when
// a workload is created and again at each redeploy: what was asked for at
// creation is kept, the rest is what the image says then. Command lines are split
// into words as a shell would (driver.SplitWords); there is no shell.
//
// # Links
//
// A Link is a row. It is made in the transaction that makes its source, to a
// living workload of the same tenant, and is dropped in the one in which the last
// instance of either side has ended for good. While a target is about to run, its
// sources wait before they start; a target that stops waits for sources that stop
// too.
//
// # Variables
//
// An instance is told where the running instances of its link targets are, with
// their variables. That is decided once, when its first start begins, from the
// rows of that moment, and stays through restarts; an instance that takes its
// place, a redeploy or other ports make it anew. The whole environment, by rising
// weight: the image's variables, those of links in their order, those of earlier
// siblings if instances are started one after the other, the owner's, those that
// tell of its own ports, the token.
//
// # Tokens
//
// A workload with RoleGlobal has a key of its own, made in its first transaction
// by the TokenIssuer and ended in the one that deletes it. Its value lies in a
// sealed column, for instances that come later, and is shown nowhere.
//
// # Life
//
// Service is made before the service of workloads, which takes its Options, and
// bound to it afterwards. It has no goroutines and nothing to start or stop; all of it
// is rows and pure functions of rows. Rows that are handed out are constants; maps
// of variables are the caller's. Everything is safe for concurrent use.
package fabric
