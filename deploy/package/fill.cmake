# SPDX-License-Identifier: Apache-2.0
# What a Debian package has beside the installed tree. cpack runs this when that tree lies in its staging directory.
execute_process(COMMAND ${CPACK_HOLDFAST_SOURCE}/deploy/package/fill ${CPACK_HOLDFAST_BUILD} ${CPACK_PACKAGE_VERSION} ${CPACK_TEMPORARY_INSTALL_DIRECTORY}
	COMMAND_ERROR_IS_FATAL ANY)
