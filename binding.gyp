{
  "targets": [
    {
      "target_name": "rallymq",
      "sources": [
        "native/node/addon.cpp",
        "native/tls/certificate-maker.cpp",
        "native/tls/client-certificate.cpp",
        "native/tls/ocsp-response.cpp",
        "native/tls/record-writer.cpp",
        "native/tls/tls-callbacks.cpp",
        "native/tls/tls-channel.cpp",
        "native/tls/tls-context.cpp",
        "<!@(ls native/cluster/*.cpp native/log/*.cpp)"
      ],
      "defines": ["NAPI_VERSION=9"],
      "cflags_cc!": ["-fno-rtti", "-fno-exceptions", "-std=gnu++17", "-std=c++17", "-std=gnu++20"],
      "cflags_cc": [
        "-std=c++20", "-O3", "-fno-exceptions", "-fno-rtti", "-fno-plt", "-fvisibility=hidden",
        # The addon is one unit, whose small functions GCC stops inlining when it has grown by two fifths.
        "--param=inline-unit-growth=200",
        "-Wall", "-Wextra", "-Wconversion", "-Wshadow"
      ]
    }
  ]
}
