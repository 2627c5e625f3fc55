/** The part of docs/benchmarks.md about comparing with other brokers: how each is built and configured for it. */

interface Example {
  readonly name: string;
  /** How to get and start it, and what of its settings matters. */
  readonly text: string;
  readonly configuration: string;
  /** What the configuration makes it listen on. */
  readonly flags: string;
}

const examples: readonly Example[] = [
  {
    name: 'FlashMQ',
    text: `Built from its source (Debian: \`cmake g++ libssl-dev\`). It has a thread for each core unless told otherwise; one is
what \`--workers 1\` is compared with. The last three lines are bounds at which it would drop messages that the scenarios
count.

    cmake -B build -DCMAKE_BUILD_TYPE=Release && make -C build flashmq`,
    configuration: `allow_anonymous true
log_level warning
thread_count 1
listen {
  protocol mqtt
  port 1884
  inet_protocol ip4
  inet4_bind_address 127.0.0.1
}
listen {
  protocol websockets
  port 8084
  inet_protocol ip4
  inet4_bind_address 127.0.0.1
}
listen {
  protocol websockets
  port 8444
  inet_protocol ip4
  inet4_bind_address 127.0.0.1
  fullchain FOLDER/certificate.pem
  privkey FOLDER/key.pem
}
max_qos_msg_pending_per_client 65535
client_max_write_buffer_size 67108864
retained_messages_node_limit 10000000`,
    flags:
      '--peer flashmq=ws://127.0.0.1:8084/mqtt --peer flashmq=mqtt://127.0.0.1:1884 --peer flashmq=wss://127.0.0.1:8444/mqtt --peer-command "flashmq=build/flashmq --config-file FILE"',
  },
  {
    name: 'mosquitto 2.1',
    text: `From its source with its own WebSockets (Debian: \`cmake g++ libssl-dev libcjson-dev libsqlite3-dev\`). Without
\`set_tcp_nodelay\` it is Nagle's algorithm that is measured.

    cmake -B build -DCMAKE_BUILD_TYPE=Release -DWITH_DOCS=OFF -DWITH_TESTS=OFF -DWITH_CLIENTS=OFF -DWITH_APPS=OFF \\
      -DWITH_PLUGINS=OFF -DWITH_HTTP_API=OFF -DWITH_CTRL_SHELL=OFF && make -C build mosquitto`,
    configuration: `allow_anonymous true
persistence false
set_tcp_nodelay true
max_queued_messages 0
max_inflight_messages 1000
log_type error
listener 8085 127.0.0.1
protocol websockets
listener 1885 127.0.0.1
listener 8445 127.0.0.1
protocol websockets
certfile FOLDER/certificate.pem
keyfile FOLDER/key.pem`,
    flags:
      '--peer mosquitto-2.1=ws://127.0.0.1:8085/mqtt --peer mosquitto-2.1=mqtt://127.0.0.1:1885 --peer mosquitto-2.1=wss://127.0.0.1:8445/mqtt --peer-command "mosquitto-2.1=build/src/mosquitto -c FILE"',
  },
  {
    name: 'NanoMQ',
    text: `From its source with its submodule \`nng\`.

    cmake -B build -DCMAKE_BUILD_TYPE=Release -DBUILD_CLIENT=OFF && make -C build nanomq`,
    configuration: `system { num_taskq_thread = 2, max_taskq_thread = 2, parallel = 32 }
mqtt { max_mqueue_len = 65535, max_inflight_window = 65535 }
listeners.tcp { bind = "127.0.0.1:1886" }
listeners.ws { enable = true, bind = "127.0.0.1:8086/mqtt" }
auth { allow_anonymous = true, no_match = allow, deny_action = ignore }
log { to = [console], level = error }`,
    flags:
      '--peer nanomq=ws://127.0.0.1:8086/mqtt --peer nanomq=mqtt://127.0.0.1:1886 --peer-command "nanomq=nanomq start --conf FILE"',
  },
  {
    name: 'EMQX',
    text: 'From its packages or container; not tried here. Its process is called `beam.smp`. These are environment variables.',
    configuration: `EMQX_MQTT__MAX_MQUEUE_LEN=infinity
EMQX_MQTT__MAX_INFLIGHT=1000
EMQX_LOG__CONSOLE__LEVEL=error`,
    flags: '--peer emqx=ws://127.0.0.1:8083/mqtt,PID --peer emqx=mqtt://127.0.0.1:1883',
  },
];

export function compareSection(): string {
  const introduction = `## Compare with any broker

Another broker takes part with \`--peer NAME=URL\`, once for each transport, and \`--peer-command NAME=COMMAND\`, which
starts it afresh for each scenario, as RallyMQ is. \`--version 4\` is for brokers without MQTT 5.0, such as the MQTT of NATS:

    npm run bench -- peers --peers rallymq --rounds 3 --peer mine=ws://127.0.0.1:8083/mqtt --peer mine=mqtt://127.0.0.1:1883 --peer-command "mine=/opt/broker FILE"

One that runs already needs no command; \`--peer NAME=URL,PID\` with the identifier of its process (on this machine) shows
its CPU and memory. It is warmed up by the scenarios before, which RallyMQ is not.

Where a configuration below has TLS, its certificate is of the same kind as RallyMQ's here:

    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost -keyout FOLDER/key.pem -out FOLDER/certificate.pem

To be fair, let it keep nothing on disk, log errors only, have as many threads as RallyMQ has workers (\`--workers\`), send
without Nagle's algorithm, and have no bound that drops what a scenario expects to arrive.`;
  const parts = examples.map(
    ({ name, text, configuration, flags }) =>
      `### ${name}\n\n${text}\n\n\`\`\`\n${configuration}\n\`\`\`\n\n    ${flags}`,
  );
  return [introduction, ...parts].join('\n\n');
}
