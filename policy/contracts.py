"""The gRPC services of all contracts, and the generated module that describes each."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from google.protobuf.descriptor import ServiceDescriptor

CONTRACTS: Final = {
    "gantry.bridge.v1.BridgeService": "gantry.bridge.v1.bridge_pb2",
    "gantry.ingest.v1.CameraHealthService": "gantry.ingest.v1.cameras_pb2",
    "gantry.ingest.v1.CameraRegistryService": "gantry.ingest.v1.cameras_pb2",
    "gantry.ingest.v1.IngestService": "gantry.ingest.v1.ingest_pb2",
    "gantry.match.v1.AlertService": "gantry.match.v1.alert_pb2",
    "gantry.match.v1.CanaryService": "gantry.match.v1.canary_pb2",
    "gantry.match.v1.HotlistService": "gantry.match.v1.hotlist_pb2",
    "gantry.nas.v1.NationalAnprService": "gantry.nas.v1.nas_pb2",
    "gantry.store.v1.AuditService": "gantry.store.v1.audit_pb2",
    "gantry.store.v1.BufferService": "gantry.store.v1.buffer_pb2",
    "gantry.store.v1.DirectoryService": "gantry.store.v1.forces_pb2",
    "gantry.store.v1.ForceService": "gantry.store.v1.forces_pb2",
    "gantry.store.v1.ReadLogService": "gantry.store.v1.log_pb2",
    "gantry.store.v1.SearchService": "gantry.store.v1.search_pb2",
}


def service_of(name: str) -> ServiceDescriptor:
    """The descriptor of a gRPC service by its full name. Raises KeyError for one that has no contract."""
    module = import_module(CONTRACTS[name])
    descriptor: ServiceDescriptor = module.DESCRIPTOR.services_by_name[name.rpartition(".")[2]]
    return descriptor
