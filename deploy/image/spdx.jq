# SPDX-License-Identifier: Apache-2.0
# The lines that sbom collects, as SPDX 2.3: each package, each file, and what of which package is in which file.
def lines: split("\n") | map(select(. != ""));
def id: gsub("[^A-Za-z0-9.-]"; "-");
def package_id: if . == "holdfast" then "SPDXRef-Package-holdfast" else split(" ") | "SPDXRef-Package-\(.[1] | id)-\(.[2] | id)" end;
def file_id: "SPDXRef-File-\(. | ltrimstr("/") | id)";
def purl: split(" ") | if .[0] == "debian" then "pkg:deb/debian/\(.[1])@\(.[2] | @uri)?arch=\(.[3])" else "pkg:deb/debian/\(.[1])@\(.[2] | @uri)?arch=source" end;
def unsaid: {downloadLocation: "NOASSERTION", filesAnalyzed: false, licenseConcluded: "NOASSERTION", licenseDeclared: "NOASSERTION", copyrightText: "NOASSERTION"};

($contents | lines | map(split("\t"))) as $inside |
($files | lines | map(split("\t"))) as $hashes |
{
	spdxVersion: "SPDX-2.3", dataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT", name: "\($name)-\($version)",
	documentNamespace: "https://github.com/holdfast/spdx/\($name)-\($version)-\($digest)",
	creationInfo: {created: $date, creators: ["Tool: holdfast deploy/image/sbom"]},
	packages: ([
		unsaid + {SPDXID: "SPDXRef-Image", name: $name, versionInfo: $version, primaryPackagePurpose: "CONTAINER", filesAnalyzed: true,
			packageVerificationCode: {packageVerificationCodeValue: $code, packageVerificationCodeExcludedFiles: [$itself]}},
		unsaid + {SPDXID: "SPDXRef-Package-holdfast", name: "holdfast", versionInfo: $version, licenseConcluded: "Apache-2.0", licenseDeclared: "Apache-2.0",
			primaryPackagePurpose: "APPLICATION"}
	] + [$packages | lines[] | split(" ") as $p | unsaid + {
		SPDXID: package_id, name: $p[1], versionInfo: $p[2], supplier: "Organization: Debian",
		licenseComments: "share/doc/holdfast/copyright/\($p[1])",
		externalRefs: [{referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator: purl}]}]),
	files: [$hashes[] | {
		SPDXID: (.[0] | file_id), fileName: ".\(.[0])",
		checksums: [{algorithm: "SHA1", checksumValue: .[1]}, {algorithm: "SHA256", checksumValue: .[2]}],
		licenseConcluded: "NOASSERTION", copyrightText: "NOASSERTION"}],
	relationships: ([{spdxElementId: "SPDXRef-DOCUMENT", relationshipType: "DESCRIBES", relatedSpdxElement: "SPDXRef-Image"}]
		+ [$hashes[] | {spdxElementId: "SPDXRef-Image", relationshipType: "CONTAINS", relatedSpdxElement: (.[0] | file_id)}]
		+ [$inside[] | {spdxElementId: (.[0] | file_id), relationshipType: "GENERATED_FROM", relatedSpdxElement: (.[1] | package_id)}])
}
