//! What every source must do, against a real InfluxDB that `scripts/test/live-influx.sh VERSION` has started.

use testkit::influx::Influx;

testkit::source_suite!(influx_1_6, ? Influx::live("1.6"), "run scripts/test/live-influx.sh 1.6");
testkit::source_suite!(influx_1_8, ? Influx::live("1.8"), "run scripts/test/live-influx.sh 1.8");
testkit::source_suite!(influx_2_9, ? Influx::live("2.9"), "run scripts/test/live-influx.sh 2.9");
