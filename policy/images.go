package policy

import (
	"slices"
	"strings"
)

// ImageName returns the full name of a container image:
// https://<registry>/<repository>:<tag>. Registry is the default one; a
// repository of one part there lies below library/.
func ImageName(image, registry string) string {
	host, repository, tag := splitImage(image, registry)
	if tag == "" {
		tag = "latest"
	}
	return "https://" + host + "/" + repository + ":" + tag
}

// splitImage returns the parts of an image or a pattern. The first part is a
// registry if it holds a "." or ":" or is localhost, as everywhere in the
// world of images, or if there is a scheme.
func splitImage(image, registry string) (host, repository, tag string) {
	rest, scheme := strings.CutPrefix(image, "https://")
	if !scheme {
		rest, scheme = strings.CutPrefix(image, "http://")
	}
	first, after, more := strings.Cut(rest, "/")
	host, repository = registry, rest
	if more && (scheme || strings.ContainsAny(first, ".:") || first == "localhost") {
		host, repository = first, after
	}
	if i := strings.LastIndexByte(repository, ':'); i > strings.LastIndexByte(repository, '/') {
		repository, tag = repository[:i], repository[i+1:]
	}
	if host == registry && repository != "" && !strings.Contains(repository, "/") {
		repository = "library/" + repository
	}
	return host, repository, tag
}

// ImageAllowed reports whether a docker.allow claim of r, the result for the
// job, covers the image. Without one no image may be used.
func ImageAllowed(r Result, image, registry string) bool {
	full := ImageName(image, registry)
	return slices.ContainsFunc(r.Values("docker.allow"), func(d Derived) bool {
		return imageCovers(d.Value, full, registry)
	})
}

// imageCovers matches a pattern with a full name: "*" covers all, a "*" at the
// end makes it a prefix, and a pattern without tag covers every tag.
func imageCovers(pattern, full, registry string) bool {
	if pattern == "*" {
		return true
	}
	open := strings.HasSuffix(pattern, "*")
	host, repository, tag := splitImage(strings.TrimSuffix(pattern, "*"), registry)
	want := "https://" + host + "/" + repository
	if tag != "" {
		want += ":" + tag
	}
	switch {
	case open:
		return strings.HasPrefix(full, want)
	case tag == "":
		i := strings.LastIndexByte(full, ':')
		return full[:i] == want
	}
	return full == want
}
