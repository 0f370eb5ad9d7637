package main

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/google/pprof/profile"
)

// mergeProfiles makes one profile of all in a folder, default.pgo, as the compiler takes it. Nothing in it names a file or folder of this machine.
func mergeProfiles(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.prof"))
	if err != nil {
		return err
	}
	all := make([]*profile.Profile, len(names))
	for i, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if all[i], err = profile.ParseData(text); err != nil {
			return err
		}
	}
	merged, err := profile.Merge(all)
	if err != nil {
		return err
	}
	for _, m := range merged.Mapping {
		m.File, m.BuildID = "", ""
	}
	for _, f := range merged.Function {
		f.Filename = "" // the compiler goes by the names of functions
	}
	out, err := os.Create(filepath.Join(dir, "default.pgo"))
	if err != nil {
		return err
	}
	return errors.Join(merged.Write(out), out.Close())
}
