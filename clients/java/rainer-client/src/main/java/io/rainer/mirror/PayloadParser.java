package io.rainer.mirror;

/** Makes a value of a payload's bytes, such as {@code mapper::readTree}. */
@FunctionalInterface
public interface PayloadParser<T> {
    /**
     * The value, never null.
     *
     * @throws Exception makes the payload a bad one: the last good value stays
     */
    T parse(byte[] payload) throws Exception;
}
