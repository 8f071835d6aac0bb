// SPDX-License-Identifier: Apache-2.0
//
// kubelet's device manager, as kubelet has it and without the rest of kubelet, and a plugin to measure another by:
//
//	device-manager manager N ROUNDS    starts ROUNDS times, each time until N resources have devices; prints a line for each:
//	                                   how long that took, and how much of the CPU's time it used, in milliseconds
//	device-manager plugin N SLOTS      offers tpm.holdfast/secret-0 … in SLOTS devices each, as plugins written in Go do, and nothing more
//
// Both at kubelet's own paths, so in a mount namespace. It is built with kubelet's own list of modules (tests/cluster/build).
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/klog/v2"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
	"k8s.io/kubernetes/pkg/kubelet/cm/containermap"
	"k8s.io/kubernetes/pkg/kubelet/cm/devicemanager"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"
)

type ready struct{}

func (ready) AddSource(string) {}
func (ready) AllReady() bool   { return true }

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func withDevices(m *devicemanager.ManagerImpl) int {
	n := 0
	_, allocatable, _ := m.GetCapacity()
	for _, quantity := range allocatable {
		if quantity.Value() > 0 {
			n++
		}
	}
	return n
}

func cpu() float64 {
	var usage syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e6
}

func startManager(n int) (float64, float64) {
	m, err := devicemanager.NewManagerImpl(nil, topologymanager.NewFakeManager())
	must(err)
	began, before := time.Now(), cpu()
	must(m.Start(klog.TODO(), func() []*v1.Pod { return nil }, ready{}, containermap.NewContainerMap(), sets.New[string]()))
	for withDevices(m) < n {
		time.Sleep(time.Millisecond)
	}
	used := cpu() - before
	ms := float64(time.Since(began).Microseconds()) / 1000
	time.Sleep(time.Second) // the checkpoints that are still to be written
	must(m.Stop(klog.TODO()))
	time.Sleep(300 * time.Millisecond)
	return ms, used
}

type plugin struct {
	api.UnimplementedDevicePluginServer
	devices []*api.Device
}

func (p *plugin) GetDevicePluginOptions(context.Context, *api.Empty) (*api.DevicePluginOptions, error) {
	return &api.DevicePluginOptions{PreStartRequired: true, GetPreferredAllocationAvailable: true}, nil
}

func (p *plugin) ListAndWatch(_ *api.Empty, stream api.DevicePlugin_ListAndWatchServer) error {
	must(stream.Send(&api.ListAndWatchResponse{Devices: p.devices}))
	<-stream.Context().Done()
	return nil
}

func serve(i, slots int) string {
	p := &plugin{}
	for slot := 0; slot < slots; slot++ {
		p.devices = append(p.devices, &api.Device{ID: fmt.Sprintf("%08x-%d", i, slot), Health: api.Healthy})
	}
	name := fmt.Sprintf("peer-%d.sock", i)
	listener, err := net.Listen("unix", filepath.Join(api.DevicePluginPath, name))
	must(err)
	server := grpc.NewServer()
	api.RegisterDevicePluginServer(server, p)
	go server.Serve(listener)
	return name
}

func register(client api.RegistrationClient, i, slots int) {
	_, err := client.Register(context.Background(), &api.RegisterRequest{
		Version: api.Version, Endpoint: serve(i, slots), ResourceName: fmt.Sprintf("tpm.holdfast/secret-%d", i)}, grpc.WaitForReady(true))
	if err != nil {
		log.Print(err)
	}
}

func registerAll(n, slots int) {
	conn, err := grpc.NewClient("unix://"+api.KubeletSocket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(err)
	for i := 0; i < n; i++ {
		go register(api.NewRegistrationClient(conn), i, slots)
	}
}

func offer(n, slots int) {
	watcher, err := fsnotify.NewWatcher()
	must(err)
	must(watcher.Add(api.DevicePluginPath))
	if _, err := os.Stat(api.KubeletSocket); err == nil {
		registerAll(n, slots)
	}
	for event := range watcher.Events {
		if event.Name == api.KubeletSocket && event.Has(fsnotify.Create) {
			registerAll(n, slots)
		}
	}
}

func main() {
	klog.InitFlags(nil)
	must(flag.Set("logtostderr", "false"))
	must(flag.Set("stderrthreshold", "FATAL"))
	klog.SetOutput(os.Stderr)
	n, err := strconv.Atoi(os.Args[2])
	must(err)
	second, err := strconv.Atoi(os.Args[3])
	must(err)
	if os.Args[1] == "plugin" {
		offer(n, second)
	}
	for round := 0; round < second; round++ {
		ms, used := startManager(n)
		fmt.Printf("%.1f %.1f\n", ms, used)
	}
}
