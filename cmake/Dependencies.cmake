# SPDX-License-Identifier: Apache-2.0
# Every library is found by pkg-config and becomes an imported target. A missing one names the package to install.
option(HOLDFAST_LEAN "Link statically what can be: the distribution's archives, and the libraries of cmake/lean-libraries" OFF)
find_package(PkgConfig REQUIRED)

if(HOLDFAST_LEAN)
	execute_process(COMMAND ${CMAKE_CURRENT_LIST_DIR}/lean-libraries --print-path
		OUTPUT_VARIABLE CMAKE_PREFIX_PATH OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE lean_status)
	if(lean_status)
		message(FATAL_ERROR "the lean libraries are not built: run `cmake/lean-libraries`")
	endif()
	set(CMAKE_FIND_LIBRARY_SUFFIXES .a .so)
	set(PKG_CONFIG_ARGN --static)
	# A build directory remembers where it found its libraries: of other ones it must forget that.
	if(NOT "${HOLDFAST_LEAN_FOUND}" STREQUAL "${CMAKE_PREFIX_PATH}")
		get_cmake_property(remembered CACHE_VARIABLES)
		list(FILTER remembered INCLUDE REGEX "^(pkgcfg_lib_|__pkg_config_checked_)")
		foreach(variable ${remembered})
			unset(${variable} CACHE)
		endforeach()
		set(HOLDFAST_LEAN_FOUND "${CMAKE_PREFIX_PATH}" CACHE INTERNAL "where the lean libraries were when they were found")
	endif()
endif()

function(holdfast_dependency target module package)
	pkg_check_modules(${target} QUIET IMPORTED_TARGET GLOBAL ${module})
	if(NOT ${target}_FOUND)
		message(FATAL_ERROR "${module} is missing: install it with `apt-get install ${package}` (all of them: tests/install-deps)")
	endif()
	add_library(dep::${target} ALIAS PkgConfig::${target})
endfunction()

holdfast_dependency(cjson "libcjson" libcjson-dev)
holdfast_dependency(yaml "yaml-0.1" libyaml-dev)
holdfast_dependency(curl "libcurl" libcurl4-openssl-dev)
holdfast_dependency(crypto "libcrypto>=3" libssl-dev)
holdfast_dependency(ssl "libssl>=3" libssl-dev)
holdfast_dependency(seccomp "libseccomp" libseccomp-dev)
holdfast_dependency(microhttpd "libmicrohttpd" libmicrohttpd-dev)
holdfast_dependency(nghttp2 "libnghttp2" libnghttp2-dev)
holdfast_dependency(mnl "libmnl" libmnl-dev)
holdfast_dependency(nftnl "libnftnl" libnftnl-dev)
holdfast_dependency(tss_esys "tss2-esys" libtss2-dev)
holdfast_dependency(tss_mu "tss2-mu" libtss2-dev)
holdfast_dependency(tss_rc "tss2-rc" libtss2-dev)
holdfast_dependency(tss_sys "tss2-sys" libtss2-dev)
holdfast_dependency(tss_tctildr "tss2-tctildr" libtss2-dev)
holdfast_dependency(cmocka "cmocka" libcmocka-dev)

# These two are archives in every preset: the agent in a VM's guest is static.
set(CMAKE_FIND_LIBRARY_SUFFIXES .a .so)
holdfast_dependency(uv libuv-static libuv1-dev)
holdfast_dependency(protobuf "libprotobuf-c" libprotobuf-c-dev)

# Header only, without a pkg-config file.
find_path(UTHASH_INCLUDE_DIR uthash.h)
if(NOT UTHASH_INCLUDE_DIR)
	message(FATAL_ERROR "uthash.h is missing: install it with `apt-get install uthash-dev` (all of them: tests/install-deps)")
endif()
