"""Plays Paho clients for paho.test.ts. Each line on stdin is a request in JSON, each line on stdout an
answer to one, or what happened to a client. Clients are told apart by the number in `client`."""

import base64
import json
import socket
import sys
import threading

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

output = threading.Lock()


def say(line):
    with output:
        print(json.dumps(line), flush=True)


def answer(request, result=None):
    say({"request": request, "result": result})


# The name in the requests, the name in Paho.
TEXT_PROPERTIES = {"contentType": "ContentType", "responseTopic": "ResponseTopic"}


def to_properties(values):
    properties = Properties(PacketTypes.PUBLISH)
    for name, paho_name in TEXT_PROPERTIES.items():
        if name in values:
            setattr(properties, paho_name, values[name])
    if "payloadFormatIndicator" in values:
        properties.PayloadFormatIndicator = int(values["payloadFormatIndicator"])
    if "messageExpirySeconds" in values:
        properties.MessageExpiryInterval = values["messageExpirySeconds"]
    if "correlationData" in values:
        properties.CorrelationData = base64.b64decode(values["correlationData"])
    for pair in values.get("userProperties", []):
        properties.UserProperty = tuple(pair)
    return properties


def from_properties(properties):
    values = {}
    for name, paho_name in TEXT_PROPERTIES.items():
        if hasattr(properties, paho_name):
            values[name] = getattr(properties, paho_name)
    if hasattr(properties, "PayloadFormatIndicator"):
        values["payloadFormatIndicator"] = properties.PayloadFormatIndicator == 1
    if hasattr(properties, "MessageExpiryInterval"):
        values["messageExpirySeconds"] = properties.MessageExpiryInterval
    if hasattr(properties, "CorrelationData"):
        values["correlationData"] = base64.b64encode(properties.CorrelationData).decode()
    if hasattr(properties, "UserProperty"):
        values["userProperties"] = [list(pair) for pair in properties.UserProperty]
    if hasattr(properties, "SubscriptionIdentifier"):
        values["subscriptionIdentifiers"] = list(properties.SubscriptionIdentifier)
    return values


class Client:
    def __init__(self, number, options):
        self.number = number
        self.version = options["version"]
        # Requests by what they wait for: "connect", or the packet identifier.
        self.waiting = {}
        self.lock = threading.Lock()
        self.is_closed = False
        arguments = {"client_id": options["clientId"], "transport": options["transport"], "reconnect_on_failure": False}
        if self.version == 5:
            self.paho = paho.Client(protocol=paho.MQTTv5, **arguments)
        else:
            self.paho = paho.Client(protocol=paho.MQTTv311, clean_session=options.get("cleanStart", True), **arguments)
        if options["transport"] == "websockets":
            self.paho.ws_set_options(path="/mqtt")
        self.paho.max_inflight_messages_set(100)
        self.set_will(options.get("will"))
        self.set_callbacks()

    def set_will(self, will):
        if will is None:
            return
        properties = None
        if "delaySeconds" in will:
            properties = Properties(PacketTypes.WILLMESSAGE)
            properties.WillDelayInterval = will["delaySeconds"]
        self.paho.will_set(will["topic"], will["payload"], will["qos"], will["retain"], properties=properties)

    def set_callbacks(self):
        self.paho.on_message = self.on_message
        self.paho.on_publish = lambda client, _, packet_id: self.done(packet_id, None)
        if self.version == 5:
            self.paho.on_connect = lambda client, _, flags, reason, properties: self.on_connect(flags, reason.value)
            self.paho.on_disconnect = lambda client, _, reason, properties=None: self.on_disconnect(reason)
            self.paho.on_subscribe = lambda client, _, packet_id, reasons, properties: self.done(packet_id, reasons[0].value)
            self.paho.on_unsubscribe = lambda client, _, packet_id, properties, reasons: self.done(packet_id, None)
        else:
            self.paho.on_connect = lambda client, _, flags, code: self.on_connect(flags, code)
            self.paho.on_disconnect = lambda client, _, code: self.on_disconnect(None)
            self.paho.on_subscribe = lambda client, _, packet_id, granted: self.done(packet_id, granted[0])
            self.paho.on_unsubscribe = lambda client, _, packet_id: self.done(packet_id, None)

    def on_connect(self, flags, code):
        if code == 0:
            self.done("connect", flags["session present"] == 1)
        else:
            self.fail("connect", f"refused with {code}")

    def on_disconnect(self, reason):
        self.is_closed = True
        code = reason.value if hasattr(reason, "value") else None
        say({"client": self.number, "closed": code})
        with self.lock:
            waiting, self.waiting = self.waiting, {}
        for action, request in waiting.items():
            if isinstance(request, int):
                say({"request": request, "error": f"disconnected during {action}"})

    def on_message(self, client, _, message):
        properties = from_properties(message.properties) if self.version == 5 else {}
        say({
            "client": self.number,
            "message": {
                "topic": message.topic,
                "payload": base64.b64encode(message.payload).decode(),
                "qos": message.qos,
                "retain": bool(message.retain),
                "properties": properties,
            },
        })

    def wait(self, key, request):
        """Answers the request when `key` is done, which it may be already: callbacks have their own thread."""
        with self.lock:
            early = self.waiting.pop(key, None)
            if early is None:
                self.waiting[key] = request
        if early is not None:
            answer(request, early[0])

    def done(self, key, result):
        with self.lock:
            request = self.waiting.pop(key, None)
            if request is None:
                self.waiting[key] = (result,)
        if request is not None:
            answer(request, result)

    def fail(self, key, error):
        with self.lock:
            request = self.waiting.pop(key, None)
        if request is not None:
            say({"request": request, "error": error})

    def connect(self, request, options):
        self.wait("connect", request)
        arguments = {"keepalive": 60}
        if self.version == 5:
            properties = Properties(PacketTypes.CONNECT)
            if "sessionExpirySeconds" in options:
                properties.SessionExpiryInterval = options["sessionExpirySeconds"]
            arguments["properties"] = properties
            arguments["clean_start"] = options.get("cleanStart", True)
        self.paho.connect("127.0.0.1", options["port"], **arguments)
        self.raw_socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.paho.loop_start()

    def raw_socket(self):
        """Without Paho's WebSocket around it."""
        return getattr(self.paho.socket(), "_socket", self.paho.socket())

    def subscribe(self, request, options):
        if self.version == 5:
            properties = Properties(PacketTypes.SUBSCRIBE)
            if "subscriptionIdentifier" in options:
                properties.SubscriptionIdentifier = options["subscriptionIdentifier"]
            flags = SubscribeOptions(
                options["qos"],
                options.get("noLocal", False),
                options.get("retainAsPublished", False),
                options.get("retainHandling", 0),
            )
            _, packet_id = self.paho.subscribe(options["filter"], options=flags, properties=properties)
        else:
            _, packet_id = self.paho.subscribe(options["filter"], options["qos"])
        self.wait(packet_id, request)

    def unsubscribe(self, request, options):
        _, packet_id = self.paho.unsubscribe(options["filter"])
        self.wait(packet_id, request)

    def publish(self, request, options):
        properties = to_properties(options["properties"]) if "properties" in options else None
        payload = base64.b64decode(options["payload"])
        info = self.paho.publish(options["topic"], payload, options["qos"], options["retain"], properties=properties)
        self.wait(info.mid, request)

    def disconnect(self, request, _):
        self.paho.disconnect()
        self.paho.loop_stop()
        answer(request)

    def drop(self, request, _):
        if not self.is_closed and self.paho.socket() is not None:
            try:
                self.raw_socket().shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has just been closed by the other side
        self.paho.loop_stop()
        answer(request)


clients = {}
for text in sys.stdin:
    told = json.loads(text)
    try:
        if told["action"] == "connect":
            clients[told["client"]] = Client(told["client"], told)
        getattr(clients[told["client"]], told["action"])(told["request"], told)
    except Exception as error:  # the test shows it
        say({"request": told["request"], "error": repr(error)})
