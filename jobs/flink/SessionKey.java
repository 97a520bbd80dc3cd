package heliotrope;

import org.apache.flink.streaming.api.graph.StreamConfig;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.operators.Output;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.tasks.ProcessingTimeService;
import org.apache.flink.streaming.runtime.tasks.StreamTask;
import org.apache.flink.table.runtime.functions.SqlFunctionUtils;
import org.apache.flink.types.Row;

/**
 * Records, Row(payload, origin key, partition, offset, record_ms), to inputs, Row(bucket, session, and the same), by the session_id in
 * the payload. What has none is spread over the buckets under names that no session has.
 *
 * <p>Compiled by Flink where it runs, as `Gather` is.
 */
public class SessionKey extends AbstractStreamOperator implements OneInputStreamOperator {

    /** The lower bits of Java's hash are much alike for ids that are. As in `bucket_of` of jobs/streams/tables.py. */
    private static final int LOWER_BITS = 8191;

    private final int buckets;
    private final long keyless;

    /** References: how many buckets there are, and over how many names what has no session is spread. */
    public SessionKey(Object[] references, StreamTask task, StreamConfig config, Output output, ProcessingTimeService clock) {
        buckets = ((Number) references[0]).intValue();
        keyless = ((Number) references[1]).longValue();
        setProcessingTimeService(clock);
        setup(task, config, output);
    }

    public void processElement(StreamRecord record) throws Exception {
        Row input = (Row) record.getValue();
        byte[] payload = (byte[]) input.getField(0);
        String session = TopLevel.text(payload, "session_id");
        if (session == null) {
            session = "\0" + ((Number) input.getField(3)).longValue() % keyless;
        }
        int bucket = (SqlFunctionUtils.hashCode(session) / LOWER_BITS % buckets + buckets) % buckets;
        Object[] fields = new Object[] {
            Integer.valueOf(bucket), session, payload, input.getField(1), input.getField(2), input.getField(3), input.getField(4)
        };
        output.collect(record.replace(Row.of(fields)));
    }
}
