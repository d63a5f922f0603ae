package process

import (
	"errors"
	"os"
	"runtime/pprof"
)

// Profiler takes CPU profiles on demand: the command "profile" names the file, and without a name ends the profile.
type Profiler struct{ file *os.File }

// Switch is the command.
func (p *Profiler) Switch(name string) (string, error) {
	if name == "" {
		return "", p.Stop()
	}
	return "", p.Start(name)
}

// Start begins a profile. One at a time.
func (p *Profiler) Start(name string) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	p.file = file
	return pprof.StartCPUProfile(file)
}

// Stop ends the profile.
func (p *Profiler) Stop() error {
	pprof.StopCPUProfile()
	return p.file.Close()
}

// WriteHeap is a command that writes what is allocated to the file of that name.
func WriteHeap(name string) (_ string, err error) {
	file, err := os.Create(name)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return "", pprof.WriteHeapProfile(file)
}
