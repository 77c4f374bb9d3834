// The one place where Boost.Asio and Boost.Beast are compiled (see engineering notes on build time).
#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/beast/src.hpp>
