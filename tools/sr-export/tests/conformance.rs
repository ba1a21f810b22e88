//! What every source must do, against the simulated StarRocks.

use testkit::starrocks_source::StarrocksSource;

testkit::source_suite!(starrocks, StarrocksSource::Mysql);
testkit::source_suite!(starrocks_over_flight, StarrocksSource::Flight);
