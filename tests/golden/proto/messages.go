// SPDX-License-Identifier: Apache-2.0

// What a real kubelet sends, written by Kubernetes' own types. Run where their versions are pinned:
//
//	cd tests/cluster/modules/kubernetes && go run ../../../golden/proto/messages.go ../../../golden/proto
package main

import (
	"os"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/proto"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	deviceplugin "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"
	pods "k8s.io/kubelet/pkg/apis/pods/v1alpha1"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func pod() *core.Pod {
	deleted := meta.NewTime(time.Unix(1790000000, 0))
	return &core.Pod{
		ObjectMeta: meta.ObjectMeta{
			Name: "web-7d4b", GenerateName: "web-", Namespace: "shop", UID: "0f0e0d0c-0b0a-0908-0706-050403020100", ResourceVersion: "4711",
			CreationTimestamp: meta.NewTime(time.Unix(1780000000, 0)), DeletionTimestamp: &deleted,
			Labels:          map[string]string{"app": "web"},
			Annotations:     map[string]string{"holdfast/secrets": "db-password,api-key"},
			OwnerReferences: []meta.OwnerReference{{Kind: "ReplicaSet", Name: "web"}},
		},
		Spec: core.PodSpec{
			ServiceAccountName: "web", DeprecatedServiceAccount: "web", NodeName: "edge-1",
			Containers: []core.Container{{Name: "web", Image: "web:1"}},
		},
		Status: core.PodStatus{Phase: core.PodRunning, PodIP: "10.0.0.1"},
	}
}

func main() {
	messages := map[string]proto.Message{
		"pods-watch-event": &pods.WatchPodsEvent{Type: pods.EventType_MODIFIED, Pod: must(pod().Marshal())},
		"podresources-list": &podresources.ListPodResourcesResponse{PodResources: []*podresources.PodResources{{
			Name: "web-7d4b", Namespace: "shop", Containers: []*podresources.ContainerResources{{
				Name: "web", CpuIds: []int64{1, 2}, Devices: []*podresources.ContainerDevices{{
					ResourceName: "tpm.holdfast/db-password", DeviceIds: []string{"47facce2-3"},
					Topology: &podresources.TopologyInfo{Nodes: []*podresources.NUMANode{{ID: 1}}},
				}},
			}},
		}}},
		"deviceplugin-preferred": &deviceplugin.PreferredAllocationRequest{ContainerRequests: []*deviceplugin.ContainerPreferredAllocationRequest{{
			AvailableDeviceIDs: []string{"47facce2-0", "47facce2-1", "47facce2-2"}, MustIncludeDeviceIDs: []string{"47facce2-2"}, AllocationSize: 2,
		}}},
		"deviceplugin-allocate": &deviceplugin.AllocateRequest{ContainerRequests: []*deviceplugin.ContainerAllocateRequest{
			{DevicesIds: []string{"47facce2-2", "47facce2-0"}},
		}},
		"deviceplugin-start": &deviceplugin.PreStartContainerRequest{DevicesIds: []string{"47facce2-2", "47facce2-0"}},
	}
	for name, message := range messages {
		bytes := must(proto.MarshalOptions{Deterministic: true}.Marshal(message))
		if err := os.WriteFile(filepath.Join(os.Args[1], name), bytes, 0o644); err != nil {
			panic(err)
		}
	}
}
