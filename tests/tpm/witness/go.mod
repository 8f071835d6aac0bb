// An independent opinion of the format in docs/secrets.md, on Google's own TPM library.
module holdfast.test/witness

go 1.26.0

require (
	github.com/google/go-tpm v0.9.8
	go.yaml.in/yaml/v3 v3.0.4
)

require golang.org/x/sys v0.8.0 // indirect
