// A certificate authority of its own and one leaf for the cluster's names, made at every start.
#pragma once

#include <boost/asio/ssl/context.hpp>

#include <string>

namespace emulator {

/// Makes both, writes the authority's certificate to `ca_file`; the keys never leave memory.
boost::asio::ssl::context make_tls(const std::string& ca_file, const std::string& domain);

}  // namespace emulator
