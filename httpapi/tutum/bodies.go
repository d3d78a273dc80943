package tutum

import "time"

// applicationItem is an application as lists show it.
type applicationItem struct {
	UUID                 string            `json:"uuid"`
	ResourceURI          string            `json:"resource_uri"`
	Name                 string            `json:"name"`
	UniqueName           string            `json:"unique_name" doc:"unique among the living applications of the account; never changes"`
	ImageTag             string            `json:"image_tag" doc:"/api/v1/image/<repository>/tag/<tag>/: an identifier, there is nothing to get"`
	ImageName            string            `json:"image_name"`
	State                string            `json:"state"`
	TargetNumContainers  int               `json:"target_num_containers" doc:"wanted number"`
	CurrentNumContainers int               `json:"current_num_containers" doc:"containers that are not Terminated"`
	RunningNumContainers int               `json:"running_num_containers"`
	StoppedNumContainers int               `json:"stopped_num_containers"`
	ContainerSize        string            `json:"container_size"`
	Entrypoint           string            `json:"entrypoint"`
	RunCommand           string            `json:"run_command"`
	ContainerPorts       []applicationPort `json:"container_ports"`
	Autorestart          string            `json:"autorestart"`
	Autoreplace          string            `json:"autoreplace"`
	Autodestroy          string            `json:"autodestroy"`
	SequentialDeployment bool              `json:"sequential_deployment"`
	PublicDNS            string            `json:"public_dns"`
	WebPublicDNS         *string           `json:"web_public_dns"`
	Deployed             time.Time         `json:"deployed_datetime" doc:"last deployment finished"`
	Started              time.Time         `json:"started_datetime"`
	Stopped              time.Time         `json:"stopped_datetime"`
	Destroyed            time.Time         `json:"destroyed_datetime"`
}

// application is an application with all there is to say about it.
type application struct {
	applicationItem
	Containers       []string          `json:"containers" doc:"resource URIs, in order of their indexes"`
	ContainerEnvvars []applicationVar  `json:"container_envvars" doc:"as given by the user"`
	LinkVariables    map[string]string `json:"link_variables" doc:"what a linking application gets under the default link name"`
	LinkedTo         []link            `json:"linked_to_application"`
	LinkedFrom       []link            `json:"linked_from_application"`
	Roles            []string          `json:"roles"`
}

// applicationPort is a port of an application. Both links are the application's own.
type applicationPort struct {
	Application      string `json:"application"`
	ContainerCluster string `json:"container_cluster"`
	InnerPort        int    `json:"inner_port"`
	OuterPort        *int   `json:"outer_port" doc:"always null: containers have one each"`
	Protocol         string `json:"protocol"`
}

type applicationVar struct {
	Application string `json:"application"`
	Key         string `json:"key"`
	Value       string `json:"value"`
}

// link is a link between two applications.
type link struct {
	From string `json:"from_application"`
	To   string `json:"to_application"`
	Name string `json:"name"`
}

// containerItem is a container as lists show it.
type containerItem struct {
	UUID           string          `json:"uuid"`
	ResourceURI    string          `json:"resource_uri"`
	Application    string          `json:"application"`
	Name           string          `json:"name" doc:"the application's"`
	UniqueName     string          `json:"unique_name" doc:"the application's, a dash and the index"`
	State          string          `json:"state"`
	ExitCode       *int            `json:"exit_code" doc:"of the last exit"`
	ExitCodeMsg    *string         `json:"exit_code_msg"`
	ImageTag       string          `json:"image_tag"`
	ImageName      string          `json:"image_name"`
	ContainerSize  string          `json:"container_size"`
	Entrypoint     string          `json:"entrypoint"`
	RunCommand     string          `json:"run_command"`
	Autorestart    string          `json:"autorestart"`
	Autoreplace    string          `json:"autoreplace"`
	Autodestroy    string          `json:"autodestroy"`
	ContainerPorts []containerPort `json:"container_ports"`
	PublicDNS      string          `json:"public_dns"`
	Deployed       time.Time       `json:"deployed_datetime" doc:"first ran"`
	Started        time.Time       `json:"started_datetime" doc:"last began to run"`
	Stopped        time.Time       `json:"stopped_datetime" doc:"last exit"`
	Destroyed      time.Time       `json:"destroyed_datetime"`
}

// container is a container with all there is to say about it.
type container struct {
	containerItem
	ContainerEnvvars []containerVar    `json:"container_envvars" doc:"all that it was given, without those of the image and of the platform"`
	LinkVariables    map[string]string `json:"link_variables" doc:"its part of the application's"`
	LinkedTo         []link            `json:"linked_to_application"`
	LinkedFrom       []link            `json:"linked_from_application"`
	Roles            []string          `json:"roles"`
}

type containerPort struct {
	Container string `json:"container"`
	InnerPort int    `json:"inner_port"`
	OuterPort *int   `json:"outer_port" doc:"set once it is deployed"`
	Protocol  string `json:"protocol"`
}

type containerVar struct {
	Container string `json:"container"`
	Key       string `json:"key"`
	Value     string `json:"value"`
}

// output is what containers wrote.
type output struct {
	Logs string `json:"logs"`
}
