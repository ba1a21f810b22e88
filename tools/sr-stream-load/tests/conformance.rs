//! What every sink must do, against the simulated StarRocks.

use testkit::starrocks_sink::StarrocksSink;

testkit::sink_suite!(starrocks, StarrocksSink);
