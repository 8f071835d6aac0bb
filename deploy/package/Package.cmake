# SPDX-License-Identifier: Apache-2.0
# cpack --preset release: a Debian package of what the release preset installs, for machines that get Holdfast without a cluster. It lies under
# /opt/holdfast/package and starts nothing: the names beside that are links of `holdfast-node install`, which dpkg would follow and write through.
# The same commit gives the same bytes wherever it is built, but for the modes of the archive's members, which are those of the umask.
set(HOLDFAST_MAINTAINER "The Holdfast maintainers <maintainers@users.noreply.h-seed-f438bd12.example>" CACHE STRING
	"Who answers for the Debian package")
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME holdfast)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "${HOLDFAST_MAINTAINER}")
set(CPACK_PACKAGING_INSTALL_PREFIX /opt/holdfast/package)
set(CPACK_INSTALL_CMAKE_PROJECTS "${CMAKE_BINARY_DIR};holdfast;Unspecified;/")
set(CPACK_STRIP_FILES ON)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/fill.cmake)
set(CPACK_HOLDFAST_SOURCE ${CMAKE_SOURCE_DIR})
set(CPACK_HOLDFAST_BUILD ${CMAKE_BINARY_DIR})
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "node security for Kubernetes at the edge")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "Network policy by nftables, secrets that only the node's TPM opens, and pods
in virtual machines. Fails closed, says why, loses nothing.
The package starts nothing and enables nothing: that is said by
systemctl enable --now holdfast-net holdfast-tpm holdfast-watch.")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "containerd, qemu-system-x86, virtiofsd | qemu-system-common")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_CURRENT_LIST_DIR}/conffiles ${CMAKE_CURRENT_LIST_DIR}/postinst
	${CMAKE_CURRENT_LIST_DIR}/prerm ${CMAKE_CURRENT_LIST_DIR}/postrm)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
