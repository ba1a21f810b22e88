//! What every sink must do, against the simulator of every InfluxDB.

use testkit::influx::Influx;

testkit::sink_suite!(influx_1_6, Influx::simulated("1.6"));
testkit::sink_suite!(influx_1_8, Influx::simulated("1.8"));
testkit::sink_suite!(influx_1_13, Influx::simulated("1.13"));
testkit::sink_suite!(influx_2_9, Influx::simulated("2.9"));
testkit::sink_suite!(influx_2_9_gzip, Influx::simulated("2.9").with_gzip());
testkit::sink_suite!(influx_3, Influx::simulated("3"));
