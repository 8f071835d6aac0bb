// The other end of our ttrpc: the implementation that containerd uses.
module holdfast.test/ttrpc-peer

go 1.26.0

require (
	github.com/containerd/log v0.1.0
	github.com/containerd/ttrpc v1.2.9
	google.golang.org/grpc v1.81.1
	google.golang.org/protobuf v1.36.11
)

require (
	github.com/sirupsen/logrus v1.9.3 // indirect
	golang.org/x/sys v0.46.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260226221140-a57be14db171 // indirect
)
