package heliotrope;

import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonFactory;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonParser;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.StreamReadConstraints;

/**
 * A field of a JSON object in one pass over its bytes, which makes nothing of the rest. JSON_VALUE of SQL builds the whole object.
 */
class TopLevel {

    private static final JsonFactory JSON = new JsonFactory();

    static {
        // of a number's length the record's is the bound: what the job's own reader takes is not to be refused here
        JSON.setStreamReadConstraints(StreamReadConstraints.builder().maxNumberLength(Integer.MAX_VALUE).build());
    }

    /** The text of the last field of that name; null where there is none, it is no text, or the bytes are no JSON object. */
    static String text(byte[] payload, String name) {
        return (String) last(payload, name, JsonToken.VALUE_STRING);
    }

    /** Its whole number; null as above, and where it does not fit. */
    static Long number(byte[] payload, String name) {
        return (Long) last(payload, name, JsonToken.VALUE_NUMBER_INT);
    }

    private static Object last(byte[] payload, String name, JsonToken kind) {
        if (payload == null) {
            return null;
        }
        try {
            JsonParser parser = JSON.createParser(payload);
            try {
                return last(parser, name, kind);
            } finally {
                parser.close();
            }
        } catch (java.io.IOException noJson) {
            return null;
        }
    }

    private static Object last(JsonParser parser, String name, JsonToken kind) throws java.io.IOException {
        Object found = null;
        if (parser.nextToken() != JsonToken.START_OBJECT) {
            return null;
        }
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            boolean isWanted = name.equals(parser.getCurrentName());
            JsonToken token = parser.nextToken();
            if (isWanted) {
                found = token == kind ? value(parser, kind) : null;
            }
            parser.skipChildren();
        }
        return found;
    }

    private static Object value(JsonParser parser, JsonToken kind) throws java.io.IOException {
        if (kind == JsonToken.VALUE_STRING) {
            return parser.getText();
        }
        return parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER ? null : Long.valueOf(parser.getLongValue());
    }
}
