include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(troupe_cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/troupe")

configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/framework/cmake/troupeConfig.cmake.in" "${PROJECT_BINARY_DIR}/troupeConfig.cmake"
  INSTALL_DESTINATION "${troupe_cmake_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/troupeConfigVersion.cmake" COMPATIBILITY SameMinorVersion)

install(EXPORT troupeTargets NAMESPACE troupe:: DESTINATION "${troupe_cmake_dir}")
install(FILES
  "${PROJECT_BINARY_DIR}/troupeConfig.cmake"
  "${PROJECT_BINARY_DIR}/troupeConfigVersion.cmake"
  "${PROJECT_SOURCE_DIR}/framework/cmake/FindCAF.cmake"
  DESTINATION "${troupe_cmake_dir}")
