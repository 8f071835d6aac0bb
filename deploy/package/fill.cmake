# SPDX-License-Identifier: Apache-2.0
# What a Debian package has beside the installed tree. cpack runs this when that tree lies in its staging directory. The time of all that it then packs
# is the commit's: cpack takes it from its own environment.
if(NOT DEFINED ENV{SOURCE_DATE_EPOCH})
	execute_process(COMMAND git -C ${CPACK_HOLDFAST_SOURCE} log -1 --format=%ct
		OUTPUT_VARIABLE date OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE status ERROR_QUIET)
	if(NOT status EQUAL 0)
		set(date 0) # no history that git may read
	endif()
	set(ENV{SOURCE_DATE_EPOCH} ${date})
endif()
set(ENV{MAINTAINER} ${CPACK_PACKAGE_CONTACT})
execute_process(COMMAND ${CPACK_HOLDFAST_SOURCE}/deploy/package/fill ${CPACK_HOLDFAST_BUILD} ${CPACK_PACKAGE_VERSION} $ENV{SOURCE_DATE_EPOCH}
	${CPACK_TEMPORARY_INSTALL_DIRECTORY} COMMAND_ERROR_IS_FATAL ANY)
