package tutum

import (
	"github.com/atoll-platform/atoll/runtime/workload/view"
)

// itemOf is an application as lists show it. Where it is found in the world is
// the fabric's to say.
func itemOf(v *view.TutumApplication, dns string, webDNS *string) applicationItem {
	uri := applicationURI(v.UUID)
	b := applicationItem{
		UUID: v.UUID, ResourceURI: uri, Name: v.Name, UniqueName: v.UniqueName,
		ImageTag: imageURI(v.ImageRepository, v.ImageTag), ImageName: v.ImageName, State: string(v.State),
		TargetNumContainers: v.Target, CurrentNumContainers: v.Current, RunningNumContainers: v.Running, StoppedNumContainers: v.Stopped,
		ContainerSize: v.Size, Entrypoint: v.Entrypoint, RunCommand: v.RunCommand, ContainerPorts: make([]applicationPort, len(v.Ports)),
		Autorestart: string(v.Autorestart), Autoreplace: string(v.Autoreplace), Autodestroy: string(v.Autodestroy), SequentialDeployment: v.Sequential,
		PublicDNS: dns, WebPublicDNS: webDNS, Deployed: v.DeployedAt, Started: v.StartedAt, Stopped: v.StoppedAt, Destroyed: v.DestroyedAt,
	}
	for i, p := range v.Ports {
		b.ContainerPorts[i] = applicationPort{Application: uri, ContainerCluster: uri, InnerPort: p.Inner, Protocol: p.Protocol}
	}
	return b
}

// containersOf are the links to the containers that count.
func containersOf(v *view.TutumApplication) []string {
	uris := make([]string, len(v.Containers))
	for i, c := range v.Containers {
		uris[i] = containerURI(c.ID)
	}
	return uris
}

// containerItemOf is a container as lists show it.
func containerItemOf(v *view.TutumContainer, dns string) containerItem {
	uri := containerURI(v.UUID)
	b := containerItem{
		UUID: v.UUID, ResourceURI: uri, Application: applicationURI(v.Application), Name: v.Name, UniqueName: v.UniqueName, State: string(v.State),
		ExitCode: v.ExitCode, ExitCodeMsg: v.ExitCodeMsg, ImageTag: imageURI(v.ImageRepository, v.ImageTag), ImageName: v.ImageName,
		ContainerSize: v.Size, Entrypoint: v.Entrypoint, RunCommand: v.RunCommand,
		Autorestart: string(v.Autorestart), Autoreplace: string(v.Autoreplace), Autodestroy: string(v.Autodestroy),
		ContainerPorts: make([]containerPort, len(v.Ports)), PublicDNS: dns,
		Deployed: v.DeployedAt, Started: v.StartedAt, Stopped: v.StoppedAt, Destroyed: v.DestroyedAt,
	}
	for i, p := range v.Ports {
		b.ContainerPorts[i] = containerPort{Container: uri, InnerPort: p.Inner, OuterPort: p.Outer, Protocol: p.Protocol}
	}
	return b
}
