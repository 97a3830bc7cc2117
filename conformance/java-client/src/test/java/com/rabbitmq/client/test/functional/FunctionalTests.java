package com.rabbitmq.client.test.functional;

/**
 * Takes the place of the client's list of suites, which names a test of internals that the newer client no longer
 * has. Surefire finds the test classes by itself.
 */
public class FunctionalTests {
}
