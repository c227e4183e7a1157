// Runs Kafka's command-line tools, one after the other, in one virtual machine: see ../tools.py. A line asks: the file
// that is the tool's input ("-": none), its class and its words, all between tabs; a file name that begins with "&"
// makes it run on beside the others, unanswered. The answer: a line with the exit code and how many bytes come of its
// output and of its errors, then these bytes. usage: java -cp JARS Tools.java

import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FileInputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.apache.kafka.common.utils.Exit;

public class Tools {
    // What a tool and the threads that it starts write, apart from other tools'.
    static final class Run {
        final ByteArrayOutputStream out = new ByteArrayOutputStream();
        final ByteArrayOutputStream err = new ByteArrayOutputStream();
        int code = -1;
    }

    static final class Left extends Error {
        Left() {
            super("the tool has left", null, false, false);
        }
    }

    static final InheritableThreadLocal<Run> current = new InheritableThreadLocal<>();

    static PrintStream split(PrintStream otherwise, boolean errors) {
        return new PrintStream(new OutputStream() {
            @Override
            public void write(int each) {
                write(new byte[] {(byte) each}, 0, 1);
            }

            @Override
            public void write(byte[] bytes, int from, int size) {
                Run run = current.get();
                if (run == null) {
                    otherwise.write(bytes, from, size);
                } else {
                    (errors ? run.err : run.out).write(bytes, from, size);
                }
            }
        }, true);
    }

    static void exit(int code, String message) {
        Run run = current.get();
        if (message != null) {
            System.err.println(message);
        }
        run.code = run.code < 0 ? code : run.code;
        throw new Left();
    }

    static boolean left(Throwable error) {
        return error != null && (error instanceof Left || left(error.getCause()));
    }

    static void call(Run run, String name, String[] words) {
        current.set(run);
        try {
            Class.forName(name).getMethod("main", String[].class).invoke(null, (Object) words);
        } catch (InvocationTargetException error) {
            if (!left(error)) {
                error.getCause().printStackTrace();
                run.code = 1;
            }
        } catch (ReflectiveOperationException error) {
            error.printStackTrace();
            run.code = 127;
        }
    }

    public static void main(String[] none) throws Exception {
        PrintStream answers = System.out;
        System.setOut(split(answers, false));
        System.setErr(split(System.err, true));
        Exit.setExitProcedure(Tools::exit);
        Exit.setHaltProcedure(Tools::exit);
        Exit.setShutdownHookAdder((name, hook) -> { });
        BufferedReader asked = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = asked.readLine(); line != null; line = asked.readLine()) {
            String[] fields = line.split("\t", -1);
            Run run = new Run();
            Thread thread = new Thread(() -> call(run, fields[1], Arrays.copyOfRange(fields, 2, fields.length)));
            thread.setDaemon(true);
            if (fields[0].startsWith("&")) {
                thread.start();
                continue;
            }
            try (InputStream input = fields[0].equals("-") ? new ByteArrayInputStream(new byte[0])
                : new FileInputStream(fields[0])) {
                System.setIn(input);
                thread.start();
                thread.join();
            }
            answers.printf("%d %d %d%n", Math.max(run.code, 0), run.out.size(), run.err.size());
            answers.write(run.out.toByteArray());
            answers.write(run.err.toByteArray());
            answers.flush();
        }
        Runtime.getRuntime().halt(0);
    }
}
