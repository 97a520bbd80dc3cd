package heliotrope;

import java.util.ArrayList;
import org.apache.flink.streaming.api.graph.StreamConfig;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.operators.Output;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.tasks.ProcessingTimeService;
import org.apache.flink.streaming.runtime.tasks.StreamTask;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;
import org.apache.flink.types.Row;

/**
 * Inputs, Row(bucket, session, payload, origin key, partition, offset, record_ms), to batches, Row(bucket's key, Row(sessions,
 * payloads, origin keys, places)), in the order of arrival within a bucket.
 *
 * <p>A batch leaves as soon as the source has no more to give, see `Hold`, and before anything that its inputs must not be
 * overtaken by: a watermark, or they would be late; a checkpoint's barrier, so that nothing here has to be in the checkpoint.
 *
 * <p>Compiled by Flink where it runs, by the compiler that it has for SQL, which knows no generic types.
 */
public class Gather extends AbstractStreamOperator implements OneInputStreamOperator, Hold.Holder {

    /** How the names begin of threads of SQL's windows and of checkpoints, which copy and write. */
    private static final String[] BEHIND =
            new String[] {"Correlate", "GlobalWindowAggregate", "WindowAggregate", "WindowRank", "AsyncOperations", "Changelog"};

    private static final int REPLACEMENT = 0xFFFD;

    private final String[] keys;
    private final Hold hold;
    private final int most;
    private final long mostBytes;
    private final ArrayList[] inputs;
    private final long[] bytes;

    /** References: the buckets' keys, the milliseconds, the inputs of a batch and the bytes of its payloads and keys with which it is full. */
    public Gather(Object[] references, StreamTask task, StreamConfig config, Output output, ProcessingTimeService clock) {
        keys = (String[]) references[0];
        hold = new Hold(this, task, config.getChainIndex(), clock, ((Number) references[1]).longValue());
        most = ((Number) references[2]).intValue();
        mostBytes = ((Number) references[3]).longValue();
        inputs = new ArrayList[keys.length];
        bytes = new long[keys.length];
        for (int bucket = 0; bucket < keys.length; bucket++) {
            inputs[bucket] = new ArrayList();
        }
        setProcessingTimeService(clock);
        setup(task, config, output);
    }

    public void processElement(StreamRecord record) throws Exception {
        Row input = (Row) record.getValue();
        int bucket = ((Integer) input.getField(0)).intValue();
        inputs[bucket].add(input);
        bytes[bucket] += length(input, 2) + length(input, 3);
        if (inputs[bucket].size() >= most || bytes[bucket] >= mostBytes) {
            send(bucket);
        } else {
            hold.added();
        }
    }

    public void processWatermark(Watermark mark) throws Exception {
        sendAll();
        super.processWatermark(mark);
    }

    public void processWatermarkStatus(WatermarkStatus status) throws Exception {
        sendAll();
        super.processWatermarkStatus(status);
    }

    public void prepareSnapshotPreBarrier(long checkpoint) throws Exception {
        sendAll();
        putBehind(Thread.currentThread().getThreadGroup());
    }

    public void finish() throws Exception {
        sendAll();
        super.finish();
    }

    /** Puts the threads for which no visitor waits behind the others, where Java may do so (`-XX:ThreadPriorityPolicy=1`). None holds the
     * interpreter: that would keep those in front waiting. */
    private static void putBehind(ThreadGroup tasks) {
        Thread[] threads = new Thread[2 * tasks.activeCount()];
        int count = tasks.enumerate(threads);
        for (int at = 0; at < count; at++) {
            if (threads[at].getPriority() > Thread.MIN_PRIORITY && standsBehind(threads[at].getName())) {
                threads[at].setPriority(Thread.MIN_PRIORITY);
            }
        }
    }

    private static boolean standsBehind(String thread) {
        for (int kind = 0; kind < BEHIND.length; kind++) {
            if (thread.startsWith(BEHIND[kind])) {
                return true;
            }
        }
        return false;
    }

    private static long length(Row input, int field) {
        byte[] bytes = (byte[]) input.getField(field);
        return bytes == null ? 0 : bytes.length;
    }

    /**
     * A text that Python can hold: JSON may write a half of a surrogate pair, and SQL reads it as it stands, but on its way into Python
     * it would end the task, where no operator can catch it. The event that brought it is refused when its payload is read.
     */
    private static String wellFormed(String text) {
        for (int at = 0; at < text.length(); at++) {
            if (Character.isSurrogate(text.charAt(at))) {
                return withoutHalves(text);
            }
        }
        return text;
    }

    private static String withoutHalves(String text) {
        char[] letters = text.toCharArray();
        for (int at = 0; at < letters.length; at++) {
            if (Character.isHighSurrogate(letters[at]) && at + 1 < letters.length && Character.isLowSurrogate(letters[at + 1])) {
                at++;
            } else if (Character.isSurrogate(letters[at])) {
                letters[at] = (char) REPLACEMENT;
            }
        }
        return new String(letters);
    }

    public void sendAll() {
        hold.cleared();
        for (int bucket = 0; bucket < keys.length; bucket++) {
            if (!inputs[bucket].isEmpty()) {
                send(bucket);
            }
        }
    }

    private void send(int bucket) {
        int count = inputs[bucket].size();
        String[] sessions = new String[count];
        byte[][] payloads = new byte[count][];
        byte[][] originKeys = new byte[count][];
        StringBuilder places = new StringBuilder();
        for (int at = 0; at < count; at++) {
            Row input = (Row) inputs[bucket].get(at);
            sessions[at] = wellFormed((String) input.getField(1));
            payloads[at] = (byte[]) input.getField(2);
            originKeys[at] = (byte[]) input.getField(3);
            places.append(input.getField(4)).append(' ');
            places.append(input.getField(5)).append(' ');
            places.append(input.getField(6)).append(' ');
        }
        inputs[bucket].clear();
        bytes[bucket] = 0;
        Row batch = Row.of(new Object[] {sessions, payloads, originKeys, places.toString()});
        output.collect(new StreamRecord(Row.of(new Object[] {keys[bucket], batch})));
    }
}
