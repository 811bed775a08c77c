function(troupe_check_compiler)
  set(oldest_GNU 12)
  set(oldest_Clang 14)
  set(oldest "${oldest_${CMAKE_CXX_COMPILER_ID}}")
  if(oldest AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS oldest)
    message(FATAL_ERROR "The compiler ${CMAKE_CXX_COMPILER} ${CMAKE_CXX_COMPILER_VERSION} is too old: "
                        "Troupe needs g++ ${oldest_GNU} or clang ${oldest_Clang}, or newer.")
  endif()
endfunction()

# Language, warnings and sanitizers for one of Troupe's own targets. Nothing of it reaches the user's targets
# but the language.
function(troupe_compile_flags target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion)
  # g++ 12 sees overlaps where std::string is put together at -O3 that are none (GCC bug 105651, mended in 13).
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-Wno-restrict>)
  endif()
  if(TROUPE_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(TROUPE_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${TROUPE_SANITIZE} -fno-sanitize-recover=all)
    target_link_options(${target} PRIVATE -fsanitize=${TROUPE_SANITIZE})
  endif()
endfunction()
