// SPDX-License-Identifier: Apache-2.0
/* The floor of every measurement: a static program that does nothing. */
int main(void)
{
	return 0;
}
