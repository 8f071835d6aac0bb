# SPDX-License-Identifier: Apache-2.0
holdfast_library(vm_machine SOURCES machine.c machine_bundle.c machine_host.c LINK hf_vm_sandbox vm_environment_testing dep::mnl dep::cmocka)
holdfast_test(test_vm LABEL vm SOURCES test_vm.c LINK vm_machine)
holdfast_test(test_vm_faults LABEL vm SOURCES test_vm_faults.c LINK vm_machine)
holdfast_test(test_vm_volumes LABEL vm SOURCES test_vm_volumes.c LINK vm_machine)
holdfast_test(test_vm_attacker LABEL vm SOURCES test_vm_attacker.c LINK vm_machine)
add_executable(vm_run vm_run.c)
target_link_libraries(vm_run PRIVATE holdfast_options vm_machine dep::cmocka)
set_target_properties(vm_run PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/support)
