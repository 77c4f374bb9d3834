// The world in memory, as the tests of the rooms inside see it.
#pragma once

#include "support/fake_outlets.hpp"
#include "support/fake_store.hpp"
#include "support/fake_world.hpp"
