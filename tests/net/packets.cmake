# SPDX-License-Identifier: Apache-2.0
# Pods as network namespaces, probes between them, and the judges that compare what the packets do with what they should.
holdfast_library(hf_fabric SOURCES fabric.c guest.c rtnl.c volley.c volley_socket.c LINK hf_kube_objects hf_vm_net dep::mnl)
holdfast_test(test_volley LABEL net SOURCES test_volley.c LINK hf_fabric nft_support)

if(TARGET policy_testing)
	holdfast_test(test_packets LABEL net SOURCES test_packets.c judges.c hosts.c LINK hf_fabric hf_nft policy_testing nft_support)
endif()

# For scripts; not tests, so not where tests/run looks for them.
add_executable(knock knock.c)
target_link_libraries(knock PRIVATE hf_fabric)
add_executable(flood flood.c)
target_link_libraries(flood PRIVATE holdfast_options)
add_executable(pulse pulse.c)
target_link_libraries(pulse PRIVATE holdfast_options)
add_executable(say say.c)
target_link_libraries(say PRIVATE holdfast_options)
add_executable(old_layout old_layout.c)
target_link_libraries(old_layout PRIVATE hf_nft hf_policy)
set_target_properties(flood knock old_layout pulse say PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/support)
add_library(clock MODULE clock.c)
target_link_libraries(clock PRIVATE holdfast_options)
add_library(no_nftables MODULE no_nftables.c)
target_link_libraries(no_nftables PRIVATE holdfast_options)
set_target_properties(clock no_nftables PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/support)
