//! What every source must do, against the simulator of every InfluxDB.

use testkit::influx::Influx;

testkit::source_suite!(influx_1_6, Influx::simulated("1.6"));
testkit::source_suite!(influx_1_8, Influx::simulated("1.8"));
testkit::source_suite!(influx_1_13, Influx::simulated("1.13"));
testkit::source_suite!(influx_2_9, Influx::simulated("2.9"));
testkit::source_suite!(influx_3, Influx::simulated("3"));
