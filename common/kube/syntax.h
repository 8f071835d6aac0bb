// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBE_SYNTAX_H
#define HOLDFAST_KUBE_SYNTAX_H

#include <stdbool.h>

/* The forms that the API server demands of names (k8s.io/apimachinery/pkg/util/validation), for manifests that it never saw. */

#define KUBE_NAME_MAX 253
#define KUBE_NAME_HINT "lower case letters, digits, '-' and '.', at most 253, and it begins and ends with a letter or digit"
#define KUBE_NAMESPACE_HINT "lower case letters, digits and '-', at most 63, and it begins and ends with a letter or digit"
#define KUBE_LABEL_KEY_HINT                                                                                                                \
	"an optional DNS name and '/', then at most 63 letters, digits, '-', '_' and '.', a letter or digit at both ends"
#define KUBE_LABEL_VALUE_HINT "at most 63 letters, digits, '-', '_' and '.', a letter or digit at both ends"
#define KUBE_PORT_NAME_HINT "at most 15 lower case letters, digits and single '-', with a letter in it"

bool kube_syntax_name(const char *text);        /* DNS-1123 subdomain: most objects */
bool kube_syntax_namespace(const char *text);   /* DNS-1123 label */
bool kube_syntax_label_key(const char *text);   /* qualified name: example.com/app, app */
bool kube_syntax_label_value(const char *text); /* may be empty */
bool kube_syntax_port_name(const char *text);   /* IANA service name, RFC 6335 section 5.1 */

#endif
