namespace BackpropCluster.Core.Data;

/// <summary>Where rows come from.</summary>
public enum DataSource
{
    /// <summary>The tutorial's single row.</summary>
    Mazur,

    /// <summary>The four rows of exclusive or.</summary>
    Xor,

    /// <summary>R. A. Fisher's 150 flowers.</summary>
    Iris,

    /// <summary>1,797 handwritten digits of 8 × 8 pixels.</summary>
    Digits,

    /// <summary>Three arms of 100 points each that turn about each other; made, not measured.</summary>
    Spiral,

    /// <summary>A user's IDX files.</summary>
    Idx,

    /// <summary>A user's file of comma-separated values.</summary>
    Csv,
}

/// <summary>What each column of the inputs is divided by before training; taken from the training rows only.</summary>
public enum Scaling
{
    None,

    /// <summary>(x − min) / (max − min): the training rows fall into [0, 1]. A constant column is only
    /// shifted.</summary>
    MinMax,

    /// <summary>(x − mean) / standard deviation over the training rows (divisor n). A constant column is only
    /// shifted.</summary>
    Standard,
}
