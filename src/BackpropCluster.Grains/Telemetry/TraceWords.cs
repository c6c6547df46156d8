namespace BackpropCluster.Grains.Telemetry;

/// <summary>Names of spans and attributes that the commands look for. All others are shown as they come.</summary>
public static class TraceWords
{
    /// <summary>The root of a training step's trace.</summary>
    public const string TrainStep = "train step";

    public const string Prefix = "backprop.";
    public const string Run = "backprop.run";
    public const string Step = "backprop.step";
    public const string Epoch = "backprop.epoch";
    public const string Layer = "backprop.layer";
    public const string Silo = "backprop.silo";
    public const string Bytes = "backprop.bytes";
}
