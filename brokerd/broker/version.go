package broker

import (
	"runtime/debug"
	"strings"
)

// Version is that of this package, as far as the program knows it.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, dep := range info.Deps { // of a program that embeds it
		if strings.HasPrefix(thisPackage, dep.Path+"/") {
			return dep.Version
		}
	}
	return info.Main.Version
}

const thisPackage = "github.com/strandlog/strand/brokerd/broker"
