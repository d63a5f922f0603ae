// Package config reads the configuration file of brokerd.
//
//	cfg, err := config.Load("brokerd.yaml")
//
// [Reference] shows every key with its default.
//
// # Failure
//
// The file is taken as a whole or not at all. Each thing that is wrong with it is an [*Error] with file, line, key and the way out,
// and all of them are reported together. Nothing is guessed: an unknown key, a key twice, or a value of another type is an error.
package config
