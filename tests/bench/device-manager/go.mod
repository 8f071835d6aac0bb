// Marks the module's directory; what is in use is tests/cluster/modules/kubernetes/go.mod.
module holdfast/tests/cluster/kubernetes
