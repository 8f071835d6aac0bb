# SPDX-License-Identifier: Apache-2.0
# One-line helpers, so that a component's CMakeLists.txt is a list of what it has.
option(HOLDFAST_WERROR "Treat warnings as errors" OFF)
option(HOLDFAST_HARDENED "Harden the binaries: PIE, full RELRO, stack protector, stack clash, FORTIFY_SOURCE, LTO" OFF)
option(HOLDFAST_FUZZ "Build the fuzz targets with libFuzzer (clang); otherwise they replay their corpus" OFF)
set(HOLDFAST_SANITIZE "" CACHE STRING "Comma-separated sanitizers, for example address,undefined")

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

add_library(holdfast_options INTERFACE)
target_compile_features(holdfast_options INTERFACE c_std_17)
target_compile_definitions(holdfast_options INTERFACE _GNU_SOURCE)
target_compile_options(holdfast_options INTERFACE
	-std=gnu17 -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wundef
	-Wwrite-strings -Wvla -Wimplicit-fallthrough -Wformat=2 -Wno-unused-parameter -Wno-missing-field-initializers
	-fno-strict-aliasing -fvisibility=hidden
	# A failed assertion names a file of the tree, and nothing that we ship the directory where it was built.
	-fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=)
# gcc cannot see that a negative return is what leaves an output unset; the sanitizers and clang watch over those.
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
	target_compile_options(holdfast_options INTERFACE -Wno-maybe-uninitialized)
endif()
target_include_directories(holdfast_options INTERFACE ${CMAKE_SOURCE_DIR})
if(HOLDFAST_WERROR)
	target_compile_options(holdfast_options INTERFACE -Werror)
endif()
if(HOLDFAST_SANITIZE)
	target_compile_options(holdfast_options INTERFACE
		-fsanitize=${HOLDFAST_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
	target_link_options(holdfast_options INTERFACE -fsanitize=${HOLDFAST_SANITIZE})
endif()
if(HOLDFAST_FUZZ)
	target_compile_options(holdfast_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(HOLDFAST_HARDENED)
	# No jump into the middle of a function.
	if(CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64")
		set(HOLDFAST_BRANCHES -mbranch-protection=standard)
	else()
		set(HOLDFAST_BRANCHES -fcf-protection)
	endif()
	target_compile_options(holdfast_options INTERFACE
		-fstack-protector-strong -fstack-clash-protection ${HOLDFAST_BRANCHES} -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
	target_link_options(holdfast_options INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
	set(CMAKE_POSITION_INDEPENDENT_CODE ON)
	# Only the programs are linked with LTO: it is slow, and the tests would each do it again. Hence objects with both kinds of code.
	if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
		target_compile_options(holdfast_options INTERFACE -flto=auto -ffat-lto-objects)
		set(HOLDFAST_LINK_LTO -flto=auto)
		set(HOLDFAST_LINK_NO_LTO -fno-lto)
	endif()
	include(CheckPIESupported)
	check_pie_supported()
endif()
# Only what is used, without a table of how to unwind it: C has no exceptions, and what is shipped is stripped. And packed relocations, of
# which the unpacked ones would be read at each start and stay in memory. Binutils 2.40 pack only x86's.
if(HOLDFAST_LEAN)
	target_compile_options(holdfast_options INTERFACE -fno-asynchronous-unwind-tables)
	target_link_options(holdfast_options INTERFACE -Wl,--gc-sections)
	if(NOT CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64")
		target_link_options(holdfast_options INTERFACE -Wl,-z,pack-relative-relocs)
	endif()
	# What the linker took of which archive: for the image's list of what is inside (deploy/image/sbom).
	set(HOLDFAST_MAPS ${CMAKE_BINARY_DIR}/maps)
	file(MAKE_DIRECTORY ${HOLDFAST_MAPS})
	# Room for the path of the image's libraries, which deploy/image/build writes there. As it is nothing can ever be found by it.
	set(HOLDFAST_LINK_ROOM -Wl,-rpath,/dev/null/holdfast)
endif()

# holdfast_library(NAME SOURCES a.c b.c LINK other_library dep::cjson)
function(holdfast_library name)
	cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
	add_library(${name} STATIC ${ARG_SOURCES})
	target_link_libraries(${name} PUBLIC holdfast_options ${ARG_LINK})
endfunction()

# holdfast_messages(NAME a.proto b.proto): a library of what protobuf-c makes of them when we build. <path>/a.pb-c.h is included by the path
# of a.proto.
find_program(PROTOC_C protoc-c)
if(NOT PROTOC_C)
	message(FATAL_ERROR "protoc-c is missing: install it with `apt-get install protobuf-c-compiler` (all of them: tests/install-deps)")
endif()
function(holdfast_messages name)
	file(RELATIVE_PATH folder ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
	foreach(proto ${ARGN})
		string(REPLACE .proto .pb-c written ${CMAKE_BINARY_DIR}/${folder}/${proto})
		add_custom_command(OUTPUT ${written}.c ${written}.h
			COMMAND ${PROTOC_C} --proto_path=. --c_out=${CMAKE_BINARY_DIR} ${folder}/${proto}
			WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${proto} VERBATIM)
		list(APPEND messages ${written}.c ${written}.h)
	endforeach()
	holdfast_library(${name} SOURCES ${messages} LINK dep::protobuf)
	target_compile_options(${name} PRIVATE -w) # not our code
	target_include_directories(${name} SYSTEM PUBLIC ${CMAKE_BINARY_DIR})
endfunction()

# All programs that are installed, without the tests: cmake --build … --target programs
add_custom_target(programs)

# holdfast_program(NAME [STATIC] SOURCES main.c LINK library)
# STATIC: runs on any host, whatever its libc; sanitizers cannot be linked so, and then it is an ordinary program.
function(holdfast_program name)
	cmake_parse_arguments(ARG "STATIC" "" "SOURCES;LINK" ${ARGN})
	add_executable(${name} ${ARG_SOURCES})
	target_link_libraries(${name} PRIVATE holdfast_options ${ARG_LINK})
	target_link_options(${name} PRIVATE ${HOLDFAST_LINK_LTO})
	add_dependencies(programs ${name})
	if(ARG_STATIC AND NOT HOLDFAST_SANITIZE AND NOT HOLDFAST_FUZZ)
		set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
		target_link_options(${name} PRIVATE -static)
	endif()
	if(HOLDFAST_LEAN)
		target_link_options(${name} PRIVATE -Wl,-Map=${HOLDFAST_MAPS}/$<TARGET_FILE_NAME:${name}>.map ${HOLDFAST_LINK_ROOM})
	endif()
	install(TARGETS ${name} RUNTIME DESTINATION bin)
endfunction()

# holdfast_test(NAME [LABEL unit|net|bench] SOURCES test_x.c LINK library): a cmocka program; its name is the module it holds to account.
function(holdfast_test name)
	cmake_parse_arguments(ARG "" "LABEL" "SOURCES;LINK" ${ARGN})
	if(NOT ARG_LABEL)
		set(ARG_LABEL unit)
	endif()
	add_executable(${name} ${ARG_SOURCES})
	target_link_libraries(${name} PRIVATE holdfast_options ${ARG_LINK} dep::cmocka)
	target_link_options(${name} PRIVATE ${HOLDFAST_LINK_NO_LTO})
	target_compile_definitions(${name} PRIVATE TEST_DATA="${CMAKE_SOURCE_DIR}/tests")
	set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/${ARG_LABEL})
	add_test(NAME ${name} COMMAND ${name})
	set_tests_properties(${name} PROPERTIES LABELS ${ARG_LABEL} SKIP_RETURN_CODE 77)
endfunction()

# holdfast_fuzz(NAME SOURCES fuzz_x.c LINK library): LLVMFuzzerTestOneInput; corpus in tests/fuzz/corpus/NAME.
function(holdfast_fuzz name)
	cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
	add_executable(fuzz_${name} ${ARG_SOURCES})
	target_link_libraries(fuzz_${name} PRIVATE holdfast_options ${ARG_LINK})
	target_link_options(fuzz_${name} PRIVATE ${HOLDFAST_LINK_NO_LTO})
	set_target_properties(fuzz_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/fuzz)
	if(HOLDFAST_FUZZ)
		target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
	else()
		target_sources(fuzz_${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c)
		add_test(NAME fuzz_${name} COMMAND fuzz_${name} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
		set_tests_properties(fuzz_${name} PROPERTIES LABELS fuzz)
	endif()
endfunction()
