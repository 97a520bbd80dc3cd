package heliotrope;

import java.lang.reflect.Field;
import org.apache.flink.api.common.operators.MailboxExecutor;
import org.apache.flink.api.common.operators.ProcessingTimeService.ProcessingTimeCallback;
import org.apache.flink.streaming.runtime.io.StreamInputProcessor;
import org.apache.flink.streaming.runtime.tasks.ProcessingTimeService;
import org.apache.flink.streaming.runtime.tasks.StreamTask;
import org.apache.flink.util.function.ThrowingRunnable;

/**
 * When an operator hands on what it holds: at once if no more input waits for its thread, else as soon as none does, and after some
 * milliseconds at the latest. So one input alone never waits, and the busier the thread is the more it finds when it looks.
 *
 * <p>A mail runs between any two steps of the task's thread, and it is the task that knows whether input waits. Compiled together
 * with each of the operators.
 */
class Hold implements ThrowingRunnable, ProcessingTimeCallback {

    /** The operator. */
    interface Holder {
        void sendAll() throws Exception;
    }

    /** Looks in a row that find the same. Then the thread waits for something else, such as the operator behind. */
    private static final int IN_VAIN = 4;

    private final Holder holder;
    private final StreamTask task;
    private final MailboxExecutor mailbox;
    private final ProcessingTimeService clock;
    private final long longestNs;
    private StreamInputProcessor input;
    private boolean looks;
    private int held;
    private int seen;
    private int inVain;
    private long sinceNs;

    Hold(Holder holder, StreamTask task, int chainIndex, ProcessingTimeService clock, long longestMs) {
        this.holder = holder;
        this.task = task;
        this.clock = clock;
        mailbox = task.getMailboxExecutorFactory().createExecutor(chainIndex);
        longestNs = longestMs * 1000000L;
    }

    /** An input is held that was not before. */
    void added() throws Exception {
        if (held == 0) {
            sinceNs = System.nanoTime();
        }
        held++;
        if (!looks) {
            lookSoon();
        }
    }

    /** Nothing is held any more. */
    void cleared() {
        held = 0;
        seen = 0;
        inVain = 0;
    }

    public void run() throws Exception {
        looks = false;
        if (held == 0) {
            return;
        }
        if (!inputWaits() || System.nanoTime() - sinceNs >= longestNs) {
            holder.sendAll();
            return;
        }
        inVain = held == seen ? inVain + 1 : 0;
        seen = held;
        if (inVain < IN_VAIN) {
            lookSoon();
        } else {
            looks = true;
            clock.registerTimer(clock.getCurrentProcessingTime() + 1, this);
        }
    }

    public void onProcessingTime(long time) throws Exception {
        run();
    }

    private void lookSoon() {
        looks = true;
        mailbox.execute(this, "gather");
    }

    /** Whether the task has more to read: known to itself alone, so this reads a field of Flink's that is not public. A source of the
     * old kind has no such field's value, and is never asked. */
    private boolean inputWaits() throws Exception {
        if (input == null) {
            Field field = StreamTask.class.getDeclaredField("inputProcessor");
            field.setAccessible(true);
            input = (StreamInputProcessor) field.get(task);
        }
        return input != null && input.getAvailableFuture().isDone();
    }
}
