"""Events published to an MQTT broker, as Home Assistant and Node-RED expect them."""

from spotlet.mqtt.address import BrokerAddress, locate_broker
from spotlet.mqtt.sink import MqttSettings, MqttSink

__all__ = ["BrokerAddress", "MqttSettings", "MqttSink", "locate_broker"]
