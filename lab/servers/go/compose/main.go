// Command compose-check loads a compose file as docker compose would: the reference parser of the
// Compose Specification, with its schema, its interpolation and its consistency checks.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: compose-check FILE")
		os.Exit(2)
	}
	options, err := cli.NewProjectOptions([]string{os.Args[1]})
	if err == nil {
		project, failed := options.LoadProject(context.Background())
		if failed == nil {
			fmt.Println(len(project.Services), "services")
			return
		}
		err = failed
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
